/** The lines of comments and documents that people read. */
import ts from "typescript";

/** A line with its place, such as `src/core/view.ts:12`. */
export interface Line {
  readonly place: string;
  readonly text: string;
}

/** The lines of the comments in TypeScript, without examples and marks of comments. */
export function commentLines(text: string, file: string): Line[] {
  const syntax = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const found = new Map<number, string>();
  const visit = (node: ts.Node): void => {
    for (const { pos, end } of [
      ...(ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(text, node.end) ?? []),
    ])
      found.set(pos, text.slice(pos, end));
    for (const child of node.getChildren(syntax)) visit(child);
  };
  visit(syntax);
  return [...found].flatMap(([pos, comment]) => {
    const first = syntax.getLineAndCharacterOfPosition(pos).line + 1;
    return proseLines(comment, file, first).flatMap(({ place, text }) => {
      const words = text.replace(/^\s*(?:\/\*\*?|\*\/|\*|\/\/)\s?|\*\/\s*$/g, "").trim();
      return words === "" ? [] : [{ place, text: words }];
    });
  });
}

/** The lines of Markdown outside of fences. */
export function proseLines(text: string, file: string, firstLine: number = 1): Line[] {
  let isCode = false;
  return text.split("\n").flatMap((line, index) => {
    if (/^[\s*]*```/.test(line)) {
      isCode = !isCode;
      return [];
    }
    return isCode || line.trim() === ""
      ? []
      : [{ place: `${file}:${firstLine + index}`, text: line }];
  });
}
