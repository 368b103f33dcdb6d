/** The rows of a forward pass: all positions of a padded batch, or only its tokens, concatenated. */
import { packedSequences, type Sequences, uniformSequences } from "../autograd/sequences.ts";
import type { Shape } from "../tensor/shape.ts";
import type { TokenBatch } from "./batch.ts";

export type Padding = "included" | "excluded";

/** The ids and the attention mask of each row in a forward pass, and the sequences to which the rows belong. */
export interface TokenRows {
  readonly padding: Padding;
  /** The shape of the ids: [batch, positions], or [tokens] without padding. */
  readonly shape: Shape;
  readonly sequences: Sequences;
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
  readonly positionIds: Int32Array;
  readonly attentionMask: Uint8Array;
}

/**
 * Returns the rows of a batch. `excluded` omits padding if the tokens of every example precede its padding.
 *
 * @param positionIds - the position of each token: [batch, positions]
 */
export function tokenRows(batch: TokenBatch, positionIds: Int32Array, padding: Padding): TokenRows {
  const lengths = padding === "excluded" ? prefixLengths(batch) : null;
  return lengths === null
    ? paddedRows(batch, positionIds)
    : packedRows(batch, positionIds, lengths);
}

/** Returns the length of each example; null if an attention mask is not ones followed by zeros, or has no ones. */
function prefixLengths({ batch, positions, attentionMask }: TokenBatch): readonly number[] | null {
  const lengths: number[] = [];
  for (let start = 0; start < batch * positions; start += positions) {
    let length = 0;
    while (length < positions && attentionMask[start + length] === 1) length++;
    if (length === 0) return null;
    for (let i = length; i < positions; i++) if (attentionMask[start + i] === 1) return null;
    lengths.push(length);
  }
  return lengths;
}

function paddedRows(rows: TokenBatch, positionIds: Int32Array): TokenRows {
  const { batch, positions, inputIds, tokenTypeIds, attentionMask } = rows;
  return {
    padding: "included",
    shape: [batch, positions],
    sequences: uniformSequences(batch, positions),
    inputIds,
    tokenTypeIds,
    positionIds,
    attentionMask,
  };
}

function packedRows(
  batch: TokenBatch,
  positionIds: Int32Array,
  lengths: readonly number[],
): TokenRows {
  const sequences = packedSequences(lengths);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const pack = (ids: Int32Array): Int32Array => {
    const packed = new Int32Array(tokens);
    let row = 0;
    for (let example = 0; example < lengths.length; example++) {
      const start = example * batch.positions;
      const length = lengths[example] ?? 0;
      for (let i = 0; i < length; i++) packed[row++] = ids[start + i] ?? 0;
    }
    return packed;
  };
  return {
    padding: "excluded",
    shape: [tokens],
    sequences,
    inputIds: pack(batch.inputIds),
    tokenTypeIds: pack(batch.tokenTypeIds),
    positionIds: pack(positionIds),
    attentionMask: new Uint8Array(tokens).fill(1),
  };
}
