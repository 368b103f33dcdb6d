/** A WordPiece vocabulary: one token a line, whose id is the line's index from 0. */

import { pipe } from "fp-ts/function";
import { type Either, map, type Problem, unlessProblems } from "../core/either.ts";
import { splitLines } from "./lines.ts";

/** The special tokens, as BERT spells them. */
export const SPECIAL_TOKENS: {
  readonly padding: "[PAD]";
  readonly unknown: "[UNK]";
  readonly classification: "[CLS]";
  readonly separator: "[SEP]";
  readonly mask: "[MASK]";
} = Object.freeze({
  padding: "[PAD]",
  unknown: "[UNK]",
  classification: "[CLS]",
  separator: "[SEP]",
  mask: "[MASK]",
});

/** What a special token is for. */
type SpecialRole = keyof typeof SPECIAL_TOKENS;

/** A parsed vocabulary. */
export interface Vocabulary {
  /** Token of each id. */
  readonly tokens: readonly string[];
  /** Id of each token. */
  readonly ids: ReadonlyMap<string, number>;
  /** Ids of the special tokens. */
  readonly special: Readonly<Record<SpecialRole, number>>;
}

/**
 * Parses the text of a vocab.txt. Empty lines, repeated tokens and missing special tokens are refused.
 *
 * @param source names the file in problems
 */
export function parseVocabulary(
  source: string,
  text: string,
): Either<readonly Problem[], Vocabulary> {
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
  for (const token of Object.values(SPECIAL_TOKENS)) {
    if (ids.has(token)) continue;
    problems.push({ path: source, expected: `the special token ${token}`, got: "none" });
  }
  return pipe(
    unlessProblems(problems, ids),
    map(() => ({ tokens, ids, special: specialIds(ids) })),
  );
}

/** Ids of the special tokens of a vocabulary that has them all. */
function specialIds(ids: ReadonlyMap<string, number>): Vocabulary["special"] {
  const idOf = (token: string): number => ids.get(token) as number;
  return {
    padding: idOf(SPECIAL_TOKENS.padding),
    unknown: idOf(SPECIAL_TOKENS.unknown),
    classification: idOf(SPECIAL_TOKENS.classification),
    separator: idOf(SPECIAL_TOKENS.separator),
    mask: idOf(SPECIAL_TOKENS.mask),
  };
}

/** The text of a vocab.txt with these tokens. */
export function formatVocabulary(tokens: readonly string[]): string {
  return tokens.map((token) => `${token}\n`).join("");
}
