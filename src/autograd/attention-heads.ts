/** The layout of attention heads in the operands, and the products over all heads. */
import { checkInteger, checkOneOf } from "../core/checks.ts";
import type { Kernels, ProductForm } from "../kernels/table.ts";
import { columnsOf, formatShape, rowsOf, type Shape } from "../tensor/shape.ts";
import { DROPOUT_BLOCK } from "./dropout.ts";
import type { AttentionLayout, AttentionQueries, DropoutDraw } from "./records.ts";
import { checkSequences, type Sequences, uniformSequences } from "./sequences.ts";

/** Which rows attend to which others. */
export interface AttentionRows {
  /** The sequences that form the rows of query and key. Default: one for each example of the batch. */
  readonly sequences?: Sequences | undefined;
  /** `first`: the query is [sequences, heads * width], the first token of each sequence. Default `all`. */
  readonly queries?: AttentionQueries;
}

/** The layout for keys of a shape. @throws TypeError or RangeError if the shape does not fit */
export function layoutOf(
  shape: Shape,
  heads: number,
  { sequences, queries = "all" }: AttentionRows,
): AttentionLayout {
  checkInteger("attention heads", heads, 1);
  checkOneOf("attention queries", queries, ["all", "first"]);
  const columns = columnsOf(shape);
  const axes = sequences === undefined ? 3 : 2;
  if (shape.length !== axes || columns % heads !== 0) {
    const rows = sequences === undefined ? "batch, positions" : "rows";
    throw new RangeError(
      `attention: expected [${rows}, a multiple of ${heads}], got ${formatShape(shape)}`,
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

/** Number of probabilities of one head over all sequences. */
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

/** Number of probabilities of one head before those of an example. */
function startOf({ sequences, queries }: AttentionLayout, example: number): number {
  return queries === "all" ? sequences.squares[example] : sequences.offsets[example];
}

/*
 * The functions below run a kernel for every head of every example, thousands of times a step. They are plain loops
 * over numbers that allocate nothing.
 */

/** Rows in the score matrices of all heads, for an example of `length` tokens. */
function squareRows({ queries, heads }: AttentionLayout, length: number): number {
  return heads * (queries === "all" ? length : 1);
}

/** probabilities = softmax(scale * scores + keyBias); `probabilities` may alias `scores`. */
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

/** dScores = gradient of the unscaled scores, from probabilities p; it may alias dP. */
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

/** y = dropout(x) of probabilities. The draw of an element depends on head, query and key, not on padding. */
export function dropProbabilities(
  kernels: Kernels,
  layout: AttentionLayout,
  { rate, key }: DropoutDraw,
  { firstExample, maxPositions }: { readonly firstExample: number; readonly maxPositions: number },
  x: Float32Array,
  y: Float32Array,
): void {
  const { sequences, queries, heads } = layout;
  const stride = Math.ceil(maxPositions / DROPOUT_BLOCK) * DROPOUT_BLOCK;
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
 * The product of a form for every head. `nt`: queries and keys give squares; `nn`: squares and keys give queries; `tn`:
 * squares and queries give keys. `out` is written, or with `accumulate` added to.
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
