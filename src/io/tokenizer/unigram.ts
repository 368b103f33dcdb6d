/**
 * The unigram language model of SentencePiece (Kudo, "Subword regularization", ACL 2018): the tokens with the largest
 * sum of scores.
 */
import { byteTokens } from "./bpe.ts";
import { createPairTable, type PairTable, pairValue, setPairInto } from "./pair-table.ts";
import { characterUnknown } from "./unknown.ts";

export interface UnigramModel extends Trie {
  readonly type: "Unigram";
  /** Tokenizes a word. */
  readonly tokenize: (word: string) => readonly number[];
}

/** The tokens of a model with their scores. */
interface Trie {
  readonly vocabulary: ReadonlyMap<string, number>;
  /** The scores of tokens, which are logarithms of probabilities. */
  readonly scores: Float64Array;
  readonly unknownId: number | null;
  readonly byteFallback: boolean;
  /** A trie: the child of each node and code unit. */
  readonly edges: PairTable;
  /** The token that ends at each node, or -1. */
  readonly ends: Int32Array;
  /** The score of an unknown character. */
  readonly unknownScore: number;
}

const UNKNOWN_PENALTY = 10;

/** Makes a model from tokens with scores. If a token occurs several times, its last entry is used. */
export function unigramModel(
  entries: readonly (readonly [string, number])[],
  unknownId: number | null,
  byteFallback: boolean,
): UnigramModel {
  const edges = createPairTable(entries.length * 3);
  const ends: number[] = [-1];
  for (const [id, [token]] of entries.entries()) {
    let node = 0;
    for (let i = 0; i < token.length; i++) {
      let child = pairValue(edges, node, token.charCodeAt(i));
      if (child < 0) {
        child = ends.push(-1) - 1;
        setPairInto(edges, node, token.charCodeAt(i), child);
      }
      node = child;
    }
    if (node > 0) ends[node] = id;
  }
  const scores = Float64Array.from(entries, ([, score]) => score);
  const trie: Trie = {
    vocabulary: new Map(entries.map(([token], id) => [token, id])),
    scores,
    unknownId,
    byteFallback,
    edges,
    ends: Int32Array.from(ends),
    unknownScore:
      scores.reduce((least, score) => Math.min(least, score), Infinity) - UNKNOWN_PENALTY,
  };
  return { type: "Unigram", ...trie, tokenize: (word) => unigrams(trie, word) };
}

/** Tokenizes a word. @throws InputError if a character is not in the vocabulary and the model has no unknown token */
export function unigrams(model: Trie, word: string): readonly number[] {
  const ids: number[] = [];
  for (const piece of bestPieces(model, word)) {
    const id = model.vocabulary.get(piece);
    const bytes =
      id === undefined && model.byteFallback ? byteTokens(model.vocabulary, piece) : undefined;
    if (id !== undefined) ids.push(id);
    else if (bytes !== undefined) ids.push(...bytes);
    else ids.push(model.unknownId ?? characterUnknown(piece, null));
  }
  return ids;
}

/** Returns the pieces with the largest sum of scores. Consecutive unknown characters are one piece. */
function bestPieces(model: Trie, word: string): readonly string[] {
  const { edges, ends, scores, unknownScore } = model;
  const { length } = word;
  const best = new Float64Array(length + 1);
  const starts = new Int32Array(length + 1).fill(-1);
  const tokens = new Int32Array(length + 1);
  const offer = (start: number, end: number, id: number | null, score: number): void => {
    const total = score + (best[start] ?? 0);
    if (starts[end] !== -1 && !(total > (best[end] ?? 0))) return;
    best[end] = total;
    starts[end] = start;
    tokens[end] = id ?? characterUnknown(word.slice(start, end), null);
  };
  for (let start = 0; start < length; ) {
    const characterEnd = start + ((word.codePointAt(start) ?? 0) > 0xffff ? 2 : 1);
    let hasCharacter = false;
    let node = 0;
    for (let end = start; end < length; ) {
      node = pairValue(edges, node, word.charCodeAt(end++));
      if (node < 0) break;
      const id = ends[node] ?? -1;
      if (id < 0) continue;
      offer(start, end, id, scores[id] ?? 0);
      if (end === characterEnd) hasCharacter = true;
    }
    if (!hasCharacter) offer(start, characterEnd, model.unknownId, unknownScore);
    start = characterEnd;
  }
  return piecesTo(model, word, starts, tokens);
}

/** Follows the best path back from the end of a word. */
function piecesTo(
  { unknownId }: Trie,
  word: string,
  starts: Int32Array,
  tokens: Int32Array,
): readonly string[] {
  const pieces: string[] = [];
  let unknownEnd = -1;
  for (let end = word.length; end > 0; ) {
    const start = starts[end] ?? 0;
    if (tokens[end] === unknownId) {
      if (unknownEnd < 0) unknownEnd = end;
    } else {
      if (unknownEnd >= 0) pieces.push(word.slice(end, unknownEnd));
      unknownEnd = -1;
      pieces.push(word.slice(start, end));
    }
    end = start;
  }
  if (unknownEnd >= 0) pieces.push(word.slice(0, unknownEnd));
  return pieces.reverse();
}
