/**
 * Reads WordPiece vocabularies, which have one token per line. The id of a token is its line number, counted from 0.
 */

import { type Either, type Problem, unlessProblems } from "../core/either.ts";
import { splitLines } from "./text.ts";

/** BERT's special tokens. */
export const SPECIAL_TOKENS = {
  padding: "[PAD]",
  unknown: "[UNK]",
  classification: "[CLS]",
  separator: "[SEP]",
  mask: "[MASK]",
} as const;

/** The tokens of a tokenizer. */
export interface Vocabulary {
  /** The tokens, indexed by id. An id without a token has an empty text. */
  readonly tokens: readonly string[];
  /** The ids of the tokens. */
  readonly ids: ReadonlyMap<string, number>;
}

/** The vocabulary of a vocab.txt. */
export interface WordPieceVocabulary extends Vocabulary {
  readonly special: Readonly<Record<keyof typeof SPECIAL_TOKENS, number>>;
}

/**
 * Parses the text of a vocab.txt. Empty lines, repeated tokens and missing special tokens are refused.
 *
 * @param source identifies the file in problems
 */
export function parseVocabulary(
  source: string,
  text: string,
): Either<readonly Problem[], WordPieceVocabulary> {
  const tokens = splitLines(text);
  const ids = new Map<string, number>();
  const problems: Problem[] = [];
  for (const [id, token] of tokens.entries()) {
    const path = `${source}:${id + 1}`;
    const first = ids.get(token);
    if (token === "") problems.push({ path, expected: "a token", got: "an empty line" });
    else if (first !== undefined) {
      const got = `${JSON.stringify(token)} of line ${first + 1}`;
      problems.push({ path, expected: "a token that no earlier line has", got });
    } else ids.set(token, id);
  }
  for (const token of Object.values(SPECIAL_TOKENS))
    if (!ids.has(token))
      problems.push({ path: source, expected: `the special token ${token}`, got: "none" });
  return unlessProblems(problems, { tokens, ids, special: specialIds(ids) });
}

/** Returns the ids of BERT's special tokens. */
export function specialIds(ids: ReadonlyMap<string, number>): WordPieceVocabulary["special"] {
  const idOf = (token: string): number => ids.get(token) ?? 0;
  return {
    padding: idOf(SPECIAL_TOKENS.padding),
    unknown: idOf(SPECIAL_TOKENS.unknown),
    classification: idOf(SPECIAL_TOKENS.classification),
    separator: idOf(SPECIAL_TOKENS.separator),
    mask: idOf(SPECIAL_TOKENS.mask),
  };
}

export function formatVocabulary(tokens: readonly string[]): string {
  return tokens.map((token) => `${token}\n`).join("");
}
