/** BERT's rules as plainly as the engine's own Unicode properties allow: an oracle for property tests. */

const CHINESE =
  /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b820}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/** Words of an uncased text. */
export function naiveWords(text: string): string[] {
  return [...text]
    .map((character) => character.toLowerCase())
    .join("")
    .replace(/[\t\n\r\p{Zs}\p{Zl}\p{Zp}]/gu, " ")
    .replace(/[\p{C}\ufffd]/gu, "")
    .replace(CHINESE, " $& ")
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .replace(/[\p{P}!-/:-@[-`{-~]/gu, " $& ")
    .split(" ")
    .filter((word) => word !== "");
}

/** Pieces of a word by recursion over its prefixes, longest first; undefined where no cut exists. */
export function naivePieces(tokens: ReadonlySet<string>, word: string): string[] | undefined {
  const cut = (rest: readonly string[], mark: string): string[] | undefined => {
    if (rest.length === 0) return [];
    for (let end = rest.length; end > 0; end--) {
      const piece = mark + rest.slice(0, end).join("");
      if (!tokens.has(piece)) continue;
      const others = cut(rest.slice(end), "##");
      return others && [piece, ...others];
    }
    return undefined;
  };
  return [...word].length > 100 ? undefined : cut([...word], "");
}
