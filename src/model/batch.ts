import { checkKind, describe, mismatch } from "../core/checks.ts";
import { ARCHITECTURES } from "./architectures.ts";
import type { ModelConfig } from "./config.ts";

/** A batch of tokenised examples, padded to the same length. All arrays except `labels` are [batch, positions]. */
export interface TokenBatch {
  readonly batch: number;
  readonly positions: number;
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
  /** 1 for a visible token, 0 for a hidden token. Hidden tokens may be at any position. */
  readonly attentionMask: Uint8Array;
  /** The labels: a class or a value for each example, or [batch, labels]. */
  readonly labels?: Int32Array | Float32Array;
}

/**
 * Checks that a batch is valid input for a model.
 *
 * @throws TypeError if an array does not have the type that {@link TokenBatch} declares; RangeError for a wrong length,
 *   an id outside its table, too many positions, or a mask entry that is not 0 or 1
 */
export function checkTokenBatch(config: ModelConfig, batch: TokenBatch): void {
  const { batch: examples, positions } = batch;
  const tokens = examples * positions;
  if (!Number.isInteger(examples) || examples < 1)
    throw new RangeError(mismatch("batch", "at least one example", describe(examples)));
  const isPositions = Number.isInteger(positions) && positions >= 1;
  const expected = `from 1 to the model's ${config.maxPositions}`;
  if (!isPositions || positions > config.maxPositions)
    throw new RangeError(mismatch("positions", expected, describe(positions)));
  checkIdArray("inputIds", batch.inputIds, Int32Array, tokens, config.vocabularySize);
  checkIdArray("attentionMask", batch.attentionMask, Uint8Array, tokens, 2);
  if (readsTokenTypes(config))
    checkIdArray("tokenTypeIds", batch.tokenTypeIds, Int32Array, tokens, config.tokenTypes);
}

/** Whether a model reads the token types of its input. Otherwise all tokens have the same type, or none. */
export function readsTokenTypes({ modelType, tokenTypes }: ModelConfig): boolean {
  return tokenTypes > 1 || ARCHITECTURES[modelType].typesPairs;
}

function checkIdArray(
  name: string,
  ids: Int32Array | Uint8Array,
  kind: Int32ArrayConstructor | Uint8ArrayConstructor,
  length: number,
  limit: number,
): void {
  checkKind(ids instanceof kind, name, kind.name, ids);
  if (ids.length !== length) {
    throw new RangeError(`${name}: expected ${length} entries, got ${ids.length}`);
  }
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index] ?? -1;
    if (id < 0 || id >= limit) {
      throw new RangeError(`${name}[${index}]: expected from 0 to ${limit - 1}, got ${id}`);
    }
  }
}

/** Whether every hidden position has the token id and token type that {@link padPositions} uses for padding. */
function isPaddedWith(batch: TokenBatch, padId: number): boolean {
  const { attentionMask, inputIds, tokenTypeIds } = batch;
  return attentionMask.every(
    (mask, i) => mask === 1 || (inputIds[i] === padId && tokenTypeIds[i] === 0),
  );
}

/**
 * Pads a batch to `positions`. Returns the batch unchanged if it is already that long, or if it hides positions that
 * are not padding.
 */
export function padPositions<Batch extends TokenBatch>(
  batch: Batch,
  positions: number,
  padId: number,
): Batch {
  if (batch.positions >= positions || !isPaddedWith(batch, padId)) return batch;
  return copyExamples(batch, [...Array(batch.batch).keys()], positions, padId);
}

/** Returns a batch of the examples with the given indices. They stay padded to the length of the original batch. */
export function selectExamples<Batch extends TokenBatch>(
  batch: Batch,
  examples: readonly number[],
): Batch {
  const labels: TokenBatch["labels"] = batch.labels;
  const part = copyExamples(batch, examples, batch.positions, 0);
  if (labels === undefined) return part;
  const width = labels.length / batch.batch;
  const count = examples.length * width;
  const own = labels instanceof Float32Array ? new Float32Array(count) : new Int32Array(count);
  examples.forEach((example, i) => {
    own.set(labels.subarray(example * width, (example + 1) * width), i * width);
  });
  return { ...part, labels: own };
}

function copyExamples<Batch extends TokenBatch>(
  batch: Batch,
  examples: readonly number[],
  positions: number,
  padId: number,
): Batch {
  const copy = <A extends Int32Array | Uint8Array>(from: A, into: A): A => {
    examples.forEach((example, i) => {
      const start = example * batch.positions;
      into.set(from.subarray(start, start + batch.positions), i * positions);
    });
    return into;
  };
  const tokens = examples.length * positions;
  return {
    ...batch,
    batch: examples.length,
    positions,
    inputIds: copy(batch.inputIds, new Int32Array(tokens).fill(padId)),
    tokenTypeIds: copy(batch.tokenTypeIds, new Int32Array(tokens)),
    attentionMask: copy(batch.attentionMask, new Uint8Array(tokens)),
  };
}

/** Pads token ids to the length of the longest ones, with `padId`, token type 0 and attention mask 0. */
export function padTokens(
  rows: readonly {
    readonly inputIds: ArrayLike<number>;
    readonly tokenTypeIds: ArrayLike<number>;
  }[],
  padId: number,
): TokenBatch {
  const batch = rows.length;
  const positions = rows.reduce((most, { inputIds }) => Math.max(most, inputIds.length), 0);
  const inputIds = new Int32Array(batch * positions).fill(padId);
  const tokenTypeIds = new Int32Array(batch * positions);
  const attentionMask = new Uint8Array(batch * positions);
  rows.forEach((row, i) => {
    const start = i * positions;
    inputIds.set(row.inputIds, start);
    tokenTypeIds.set(row.tokenTypeIds, start);
    attentionMask.fill(1, start, start + row.inputIds.length);
  });
  return { batch, positions, inputIds, tokenTypeIds, attentionMask };
}
