/** Compares the tokens of texts before and after a vocabulary has shrunk. */
import { encodedWords, type Tokenizer } from "../io/tokenizer.ts";
import { piecesOfToken, type ShrinkableModel, unknownId } from "./vocabulary-model.ts";

/** How many rows and tokens of a file have the same ids as before, but for the renumbering. */
export interface VocabularyCoverage {
  readonly rows: number;
  readonly sameRows: number;
  readonly tokens: number;
  readonly sameTokens: number;
  /** The number of unknown tokens. */
  readonly unknownBefore: number;
  readonly unknownAfter: number;
}

/** A vocabulary before and after it has shrunk. */
export interface VocabularyChange {
  readonly before: Tokenizer;
  readonly beforeModel: ShrinkableModel;
  readonly after: Tokenizer;
  readonly afterModel: ShrinkableModel;
  /** The new id of each old one, or -1. */
  readonly newIds: Int32Array;
}

/** Compares the tokens of rows, without special tokens around texts. Tokens of a word with a change count as changed. */
export function measureCoverage(change: VocabularyChange): {
  readonly add: (texts: readonly string[]) => void;
  readonly coverage: () => VocabularyCoverage;
  /** How often each removed token occurred, by its old id. */
  readonly removed: ReadonlyMap<number, number>;
} {
  const { before, after, newIds } = change;
  const unknown = { before: unknownId(change.beforeModel), after: unknownId(change.afterModel) };
  const removed = new Map<number, number>();
  const sums = {
    rows: 0,
    sameRows: 0,
    tokens: 0,
    sameTokens: 0,
    unknownBefore: 0,
    unknownAfter: 0,
  };
  const addText = (text: string): boolean => {
    const words = encodedWords(after, text);
    let isSame = true;
    encodedWords(before, text).forEach(({ ids }, i) => {
      const shrunk = words[i]?.ids ?? [];
      const isSameWord =
        ids.length === shrunk.length && ids.every((id, j) => newIds[id] === shrunk[j]);
      isSame &&= isSameWord;
      sums.tokens += ids.length;
      if (isSameWord) sums.sameTokens += ids.length;
      for (const id of ids) {
        if (id === unknown.before) sums.unknownBefore++;
        if ((newIds[id] ?? -1) < 0) removed.set(id, (removed.get(id) ?? 0) + 1);
      }
      for (const id of shrunk) if (id === unknown.after) sums.unknownAfter++;
    });
    return isSame;
  };
  return {
    add: (texts) => {
      sums.rows++;
      if (texts.map(addText).every((isSame) => isSame)) sums.sameRows++;
    },
    coverage: () => ({ ...sums }),
    removed,
  };
}

/** Returns the tokens into which the text of a removed token is divided, or null if it becomes unknown. */
export function replacementOf(
  { after, afterModel }: VocabularyChange,
  token: string,
): readonly string[] | null {
  const ids = piecesOfToken(afterModel, token);
  return ids === undefined ? null : ids.map((id) => after.vocabulary.tokens[id] ?? "");
}
