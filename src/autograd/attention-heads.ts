/** The memory layout of attention's operands, and functions that run a kernel for every head of every example. */
import { checkInteger, checkOneOf } from "../core/checks.ts";
import { DROPOUT_GROUP, type Kernels, type ProductForm } from "../kernels/table.ts";
import { columnsOf, formatShape, rowsOf, type Shape } from "../tensor/shape.ts";
import type { AttentionLayout, AttentionQueries, DropoutDraw } from "./records.ts";
import {
  checkSequences,
  checkSequencesForm,
  type Sequences,
  uniformSequences,
} from "./sequences.ts";

/** Options that determine which rows attend to each other. */
export interface AttentionRows {
  /** The sequences in the rows of query and key. Default: one sequence for each entry of the first axis. */
  readonly sequences?: Sequences | undefined;
  /**
   * `first`: only the first token of each sequence attends, and the query is [sequences, heads * width]. Default `all`.
   */
  readonly queries?: AttentionQueries;
}

/**
 * Returns the layout of attention with keys of the given shape.
 *
 * @throws TypeError or RangeError if an option is invalid, or if the shape has the wrong number of axes or a last
 *   extent that is not a multiple of the number of heads
 */
export function layoutOf(
  shape: Shape,
  heads: number,
  { sequences, queries = "all" }: AttentionRows,
): AttentionLayout {
  checkInteger("attention heads", heads, 1);
  checkOneOf("attention queries", queries, ["all", "first"]);
  if (sequences !== undefined) checkSequencesForm("attention", sequences);
  const columns = columnsOf(shape);
  const axes = sequences === undefined ? 3 : 2;
  if (shape.length !== axes || columns % heads !== 0) {
    const rows = sequences === undefined ? "batch, positions" : "rows";
    throw new RangeError(
      `attention: expected [${rows}, a multiple of ${heads} heads], got ${formatShape(shape)}`,
    );
  }
  if (sequences !== undefined) checkSequences("attention", sequences, rowsOf(shape));
  const width = columns / heads;
  return { sequences: sequences ?? uniformSequences(shape[0], shape[1]), queries, heads, width };
}

export function queryShape(keys: Shape, { sequences, queries }: AttentionLayout): Shape {
  return queries === "all" ? keys : [sequences.offsets.length - 1, columnsOf(keys)];
}

export function probabilitiesShape(
  keys: Shape,
  { sequences, queries, heads }: AttentionLayout,
): Shape {
  if (keys.length === 3) return [keys[0], heads, queries === "all" ? keys[1] : 1, keys[1]];
  return [heads * probabilitiesOfHead(sequences, queries)];
}

/** Returns the number of attention probabilities of one head, over all sequences. */
export function probabilitiesOfHead(
  { squares, offsets }: Sequences,
  queries: AttentionQueries,
): number {
  const ends = queries === "all" ? squares : offsets;
  return ends[ends.length - 1];
}

export function longestOf(sequences: Sequences): number {
  const { offsets } = sequences;
  let longest = 0;
  for (let i = 0; i + 1 < offsets.length; i++)
    longest = Math.max(longest, offsets[i + 1] - offsets[i]);
  return longest;
}

/** Returns the number of attention probabilities of one head in the examples before `example`. */
function startOf({ sequences, queries }: AttentionLayout, example: number): number {
  return queries === "all" ? sequences.squares[example] : sequences.offsets[example];
}

// The functions below run thousands of kernels in each step, so their loops allocate nothing.

/** Returns the number of rows of attention scores for an example of `length` tokens, over all heads. */
function squareRows({ queries, heads }: AttentionLayout, length: number): number {
  return heads * (queries === "all" ? length : 1);
}

/** Computes probabilities = softmax(scale * scores + keyBias), row by row. `probabilities` may alias `scores`. */
export function softmaxOfScores(
  kernels: Kernels,
  layout: AttentionLayout,
  scores: Float32Array,
  keyBias: Float32Array,
  scale: number,
  probabilities: Float32Array,
): void {
  const { offsets } = layout.sequences;
  kernels.openGroup();
  try {
    for (let example = 0; example + 1 < offsets.length; example++) {
      const row = offsets[example];
      const length = offsets[example + 1] - row;
      const at = layout.heads * startOf(layout, example);
      const rows = squareRows(layout, length);
      kernels.attentionSoftmaxForward(scores, keyBias, scale, probabilities, at, row, rows, length);
    }
  } finally {
    kernels.closeGroup();
  }
}

/**
 * Computes `dScores`, the gradient of the unscaled scores, from the probabilities `p` and their gradient `dP`.
 * `dScores` may alias `dP`.
 */
export function softmaxOfScoresBackward(
  kernels: Kernels,
  layout: AttentionLayout,
  p: Float32Array,
  dP: Float32Array,
  scale: number,
  dScores: Float32Array,
): void {
  const { offsets } = layout.sequences;
  kernels.openGroup();
  try {
    for (let example = 0; example + 1 < offsets.length; example++) {
      const length = offsets[example + 1] - offsets[example];
      const at = layout.heads * startOf(layout, example);
      const rows = squareRows(layout, length);
      kernels.attentionSoftmaxBackward(p, dP, scale, dScores, at, rows, length);
    }
  } finally {
    kernels.closeGroup();
  }
}

/**
 * Computes y = dropout(x) for attention probabilities. Its random numbers depend on the indices of example, head, query
 * and key, but not on padding.
 */
export function dropProbabilities(
  kernels: Kernels,
  layout: AttentionLayout,
  { rate, key }: DropoutDraw,
  { firstExample, maxPositions }: { readonly firstExample: number; readonly maxPositions: number },
  x: Float32Array,
  y: Float32Array,
): void {
  const { sequences, queries, heads } = layout;
  const stride = Math.ceil(maxPositions / DROPOUT_GROUP) * DROPOUT_GROUP;
  kernels.openGroup();
  try {
    for (let example = 0; example + 1 < sequences.offsets.length; example++) {
      const s = sequences.offsets[example + 1] - sequences.offsets[example];
      const q = queries === "all" ? s : 1;
      const at = heads * startOf(layout, example);
      for (let head = 0; head < heads; head++) {
        const first = head * maxPositions * stride;
        const drawn = firstExample + example;
        kernels.dropout(x, y, at + head * q * s, q, s, first, stride, rate, key, drawn);
      }
    }
  } finally {
    kernels.closeGroup();
  }
}

/**
 * Multiplies matrices for every head of every example. With scores S, queries Q and keys K, the forms are `nt`: S = Q
 * K^T, `nn`: Q = S K, and `tn`: K = S^T Q. With `accumulate`, the products are added to `out`.
 */
export function multiplyByHead(
  kernels: Kernels,
  form: ProductForm,
  layout: AttentionLayout,
  a: Float32Array,
  b: Float32Array,
  out: Float32Array,
  accumulate: boolean,
): void {
  const { sequences, queries, heads, width } = layout;
  const stride = heads * width;
  const { gemm } = kernels;
  kernels.openGroup();
  try {
    for (let example = 0; example + 1 < sequences.offsets.length; example++) {
      const keyRow = sequences.offsets[example];
      const s = sequences.offsets[example + 1] - keyRow;
      const q = queries === "all" ? s : 1;
      const queryRow = queries === "all" ? keyRow : example;
      const squares = heads * startOf(layout, example);
      for (let head = 0; head < heads; head++) {
        const query = queryRow * stride + head * width;
        const key = keyRow * stride + head * width;
        const square = squares + head * q * s;
        if (form === "nt")
          gemm("nt", q, s, width, a, query, stride, b, key, stride, out, square, s, accumulate);
        else if (form === "nn")
          gemm("nn", q, width, s, a, square, s, b, key, stride, out, query, stride, accumulate);
        else gemm("tn", s, width, q, a, square, s, b, query, stride, out, key, stride, accumulate);
      }
    }
  } finally {
    kernels.closeGroup();
  }
}
