/**
 * Byte-pair encoding (Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", ACL
 * 2016), as in `tokenizers`: pairs are merged by their rank, and equal ranks from left to right.
 */

import { type PairTable, pairValue } from "./pair-table.ts";
import { characterUnknown } from "./unknown.ts";

export interface BytePairModel {
  readonly type: "BPE";
  readonly vocabulary: ReadonlyMap<string, number>;
  /** The rank of each pair of ids that is merged. */
  readonly merges: PairTable;
  /** The id of the merged token, indexed by the rank of the merge. */
  readonly merged: Int32Array;
  readonly unknownToken: string | null;
  readonly continuingPrefix: string;
  readonly wordSuffix: string;
  readonly fuseUnknown: boolean;
  readonly byteFallback: boolean;
  readonly ignoreMerges: boolean;
  /** Tokenizes a word. */
  readonly tokenize: (word: string) => readonly number[];
}

/** A model without its function. */
export type BytePairs = Omit<BytePairModel, "tokenize">;

/** Makes a model, which throws InputError for a character outside the vocabulary if there is no unknown token. */
export function bytePairModel(model: BytePairs): BytePairModel {
  return { ...model, tokenize: (word) => bytePairs(model, word) };
}

function bytePairs(model: BytePairs, word: string): readonly number[] {
  if (model.ignoreMerges) {
    const whole = model.vocabulary.get(word);
    if (whole !== undefined) return [whole];
  }
  return mergeAll(model, symbolsOf(model, word));
}

/** Returns the ids of a word's characters. */
function symbolsOf(model: BytePairs, word: string): number[] {
  const { vocabulary, continuingPrefix, wordSuffix } = model;
  const symbols: number[] = [];
  /** An unknown token that is not yet added, because others may be fused with it. */
  let unknown = -1;
  let at = 0;
  for (const character of word) {
    const isLast = at + character.length === word.length;
    const token = (at > 0 ? continuingPrefix : "") + character + (isLast ? wordSuffix : "");
    at += character.length;
    const id = vocabulary.get(token);
    if (id !== undefined) {
      if (unknown >= 0) symbols.push(unknown);
      unknown = -1;
      symbols.push(id);
      continue;
    }
    const bytes = model.byteFallback ? byteTokens(vocabulary, token) : undefined;
    // As in `tokenizers`, byte tokens are added before a pending unknown token.
    if (bytes !== undefined) symbols.push(...bytes);
    else if (model.unknownToken !== null) {
      if (unknown >= 0 && !model.fuseUnknown) symbols.push(unknown);
      unknown =
        vocabulary.get(model.unknownToken) ?? characterUnknown(character, model.unknownToken);
    }
  }
  if (unknown >= 0) symbols.push(unknown);
  return symbols;
}

/** Returns the ids of the tokens `<0x00>` to `<0xFF>` for a text's bytes, or undefined if one is missing. */
export function byteTokens(
  vocabulary: ReadonlyMap<string, number>,
  text: string,
): readonly number[] | undefined {
  const ids: number[] = [];
  for (const byte of new TextEncoder().encode(text)) {
    const id = vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id === undefined) return undefined;
    ids.push(id);
  }
  return ids;
}

/** Ranks and positions in one number: the heap orders by rank, then by position. */
const POSITIONS = 2 ** 26;

function mergeAll({ merges, merged }: BytePairs, symbols: number[]): readonly number[] {
  const { length } = symbols;
  if (length < 2) return symbols;
  const heap: number[] = [];
  const next = Int32Array.from({ length }, (_, i) => i + 1);
  const previous = Int32Array.from({ length }, (_, i) => i - 1);
  const offer = (left: number, right: number): void => {
    if (left < 0 || right >= length) return;
    const rank = pairValue(merges, symbols[left] ?? 0, symbols[right] ?? 0);
    if (rank >= 0) pushInto(heap, rank * POSITIONS + left);
  };
  for (let i = 0; i + 1 < length; i++) offer(i, i + 1);
  while (heap.length > 0) {
    const top = popInto(heap);
    const rank = Math.floor(top / POSITIONS);
    const left = top % POSITIONS;
    const right = next[left] ?? length;
    if (symbols[left] === REMOVED || right >= length) continue;
    // Entries of pairs that have changed are skipped.
    const id = merged[rank] ?? 0;
    const current = pairValue(merges, symbols[left] ?? 0, symbols[right] ?? 0);
    if (current < 0 || merged[current] !== id) continue;
    symbols[left] = id;
    symbols[right] = REMOVED;
    const after = next[right] ?? length;
    next[left] = after;
    if (after < length) previous[after] = left;
    offer(previous[left] ?? -1, left);
    offer(left, after);
  }
  return symbols.filter((id) => id !== REMOVED);
}

const REMOVED = -1;

function pushInto(heap: number[], value: number): void {
  let at = heap.length;
  heap.push(value);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] ?? 0;
    if (above <= value) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = value;
}

function popInto(heap: number[]): number {
  const top = heap[0] ?? 0;
  const value = heap.pop() ?? 0;
  const { length } = heap;
  if (length === 0) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= length) break;
    if (child + 1 < length && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child++;
    const below = heap[child] ?? 0;
    if (below >= value) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = value;
  return top;
}
