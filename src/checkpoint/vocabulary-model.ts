/** The models of tokenizers whose vocabulary can shrink: WordPiece and byte-level byte-pair encoding. */

import type { Problem } from "../core/either.ts";
import { type Either, refuse, right } from "../core/either.ts";
import type { BytePairModel } from "../io/tokenizer/bpe.ts";
import { bytesOfCharacters } from "../io/tokenizer/byte-characters.ts";
import type { WordPieceModel } from "../io/tokenizer/model.ts";
import { pairValue } from "../io/tokenizer/pair-table.ts";
import type { Tokenizer } from "../io/tokenizer.ts";
import { SPECIAL_TOKENS } from "../io/vocabulary.ts";
import { CONTINUATION, MAX_WORD_CHARACTERS } from "../io/wordpiece.ts";

export type ShrinkableModel = WordPieceModel | BytePairModel;

/** Returns the model of a tokenizer, or refuses a kind that cannot shrink by its name. */
export function shrinkableModel(
  source: string,
  tokenizer: Tokenizer,
): Either<readonly Problem[], ShrinkableModel> {
  if (tokenizer.kind === "slow")
    return right({
      type: "WordPiece",
      vocabulary: tokenizer.vocabulary.ids,
      unknownToken: SPECIAL_TOKENS.unknown,
      continuingPrefix: CONTINUATION,
      maxCharacters: MAX_WORD_CHARACTERS,
    });
  const { model, writeBytes } = tokenizer.pipeline;
  const writesBytes = writeBytes !== undefined;
  const expected = "WordPiece or byte-level BPE";
  if (model.type === "WordPiece") return right(model);
  if (model.type !== "BPE") return refuse(`${source}.model.type`, expected, model.type);
  const isPlain = model.continuingPrefix === "" && model.wordSuffix === "" && !model.byteFallback;
  if (writesBytes && isPlain) return right(model);
  return refuse(
    `${source}.model.type`,
    expected,
    writesBytes ? "BPE with affixes" : "BPE of characters",
  );
}

/** Returns the id of the unknown token, or -1. */
export function unknownId({ vocabulary, unknownToken }: ShrinkableModel): number {
  return unknownToken === null ? -1 : (vocabulary.get(unknownToken) ?? -1);
}

/**
 * Whether a token is a single character: for WordPiece also as a continuation, for byte-level BPE a byte. All words can
 * be divided into these.
 */
export function isCharacter(model: ShrinkableModel, token: string): boolean {
  if (model.type === "BPE") return bytesOfCharacters().has(token);
  return [...withoutPrefix(model, token).text].length === 1;
}

/** Splits a token of WordPiece into its text and whether it continues a word. */
function withoutPrefix(
  { continuingPrefix: prefix }: WordPieceModel,
  token: string,
): { readonly text: string; readonly continues: boolean } {
  const continues = prefix !== "" && token.startsWith(prefix) && token.length > prefix.length;
  return { text: continues ? token.slice(prefix.length) : token, continues };
}

/** The pieces that WordPiece finds in a text, up to the first place without one. */
interface FoundPieces {
  readonly ids: readonly number[];
  readonly isComplete: boolean;
}

function findPieces(model: WordPieceModel, text: string, continues: boolean): FoundPieces {
  const { vocabulary, continuingPrefix } = model;
  const characters = [...text];
  const ids: number[] = [];
  for (let start = 0; start < characters.length; ) {
    const prefix = start > 0 || continues ? continuingPrefix : "";
    let end = characters.length;
    let id: number | undefined;
    for (; end > start; end--) {
      id = vocabulary.get(prefix + characters.slice(start, end).join(""));
      if (id !== undefined) break;
    }
    if (id === undefined) return { ids, isComplete: false };
    ids.push(id);
    start = end;
  }
  return { ids, isComplete: true };
}

/**
 * Returns the pieces that WordPiece finds in an unknown word before it fails. Without one of them, shorter pieces might
 * divide the word.
 */
export function piecesOfUnknown(model: ShrinkableModel, word: string): readonly number[] {
  if (model.type === "BPE" || [...word].length > model.maxCharacters) return [];
  const { ids, isComplete } = findPieces(model, word, false);
  return isComplete ? [] : ids;
}

/** Returns the ids into which a model divides the text of a token, or undefined if it is unknown. */
export function piecesOfToken(
  model: ShrinkableModel,
  token: string,
): readonly number[] | undefined {
  if (model.type === "BPE") return mergeSteps(model, token)?.symbols;
  const { text, continues } = withoutPrefix(model, token);
  const { ids, isComplete } = findPieces(model, text, continues);
  return isComplete ? ids : undefined;
}

/** The symbols of a text after all merges, and the result of each merge in order. */
interface MergeSteps {
  readonly symbols: readonly number[];
  readonly results: readonly number[];
}

/** Merges the characters of a text step by step. Undefined if a character is not in the vocabulary. */
function mergeSteps(model: BytePairModel, text: string): MergeSteps | undefined {
  const symbols: number[] = [];
  for (const character of text) {
    const id = model.vocabulary.get(character);
    if (id === undefined) return undefined;
    symbols.push(id);
  }
  const results: number[] = [];
  for (;;) {
    let lowest = -1;
    let place = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = pairValue(model.merges, symbols[i] ?? 0, symbols[i + 1] ?? 0);
      if (rank < 0 || (lowest >= 0 && rank >= lowest)) continue;
      lowest = rank;
      place = i;
    }
    if (lowest < 0) return { symbols, results };
    const result = model.merged[lowest] ?? 0;
    symbols.splice(place, 2, result);
    results.push(result);
  }
}

/**
 * Returns the tokens that merging a token's characters passes through. In a word that contains the token, the merges
 * within it are the same, since no merge crosses its ends.
 */
export function passedTokens(model: ShrinkableModel, token: string): readonly number[] {
  if (model.type !== "BPE") return [];
  const steps = mergeSteps(model, token);
  return steps?.symbols.length === 1 ? steps.results : [];
}

/**
 * Returns a function that tells whether a merge stays: both tokens and their result stay, and merges that stay can make
 * both tokens from bytes.
 */
export function keptMerges(
  model: BytePairModel,
  isKept: (id: number) => boolean,
): (left: string, right: string) => boolean {
  const { vocabulary, merges, merged } = model;
  const candidates: [left: number, right: number, result: number][] = [];
  for (let i = 0; i < merges.values.length; i++) {
    const rank = merges.values[i] ?? -1;
    const [left, second, result] = [
      merges.firsts[i] ?? 0,
      merges.seconds[i] ?? 0,
      merged[rank] ?? 0,
    ];
    if (rank >= 0 && isKept(left) && isKept(second) && isKept(result))
      candidates.push([left, second, result]);
  }
  const reached = new Set<number>();
  for (const character of bytesOfCharacters().keys()) {
    const id = vocabulary.get(character);
    if (id !== undefined) reached.add(id);
  }
  for (let before = -1; before < reached.size; ) {
    before = reached.size;
    for (const [left, second, result] of candidates)
      if (reached.has(left) && reached.has(second)) reached.add(result);
  }
  const isReached = (token: string): boolean => reached.has(vocabulary.get(token) ?? -1);
  return (left, second) =>
    isReached(left) && isReached(second) && isKept(vocabulary.get(left + second) ?? -1);
}
