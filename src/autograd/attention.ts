/**
 * Multi-head attention in two operations: probabilities from query and key, context from
 * probabilities and values. Each sequence attends over its own length. Heads stay where the projections
 * put them, side by side in a row; each product reads its head by offset and row stride.
 */
import { checkInteger } from "../core/checks.ts";
import type { Kernels } from "../kernels/table.ts";
import {
  checkSameShape,
  columnsOf,
  elementCount,
  formatShape,
  rowsOf,
  type Shape,
} from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkDropoutRate, DROPOUT_BLOCK } from "./dropout.ts";
import { arrivedGradient, consumedGradient, gradientTarget } from "./gradient.ts";
import type { AttentionLayout, DropoutDraw, OperationRecord, Variable } from "./records.ts";
import { checkSequences, forEachSequence, type Sequences, uniformSequences } from "./sequences.ts";
import { createOutput, createScratch, nextDropoutDraw, record, type Tape } from "./tape.ts";

/** Options of {@link attentionProbabilities}. */
export interface AttentionOptions {
  readonly heads: number;
  /**
   * Added to every score of its key, [batch, positions], or with `sequences` [rows]: 0 keeps a key,
   * {@link HIDDEN_KEY} hides it.
   */
  readonly keyBias: Variable;
  /** Dropout rate of the probabilities. Default 0. */
  readonly dropout?: number;
  /** Longest sequence the model takes; spaces the dropout's random numbers. Default: this one's. */
  readonly maxPositions?: number;
  /** The sequences that the rows of query and key belong to. Default: one for each of the batch. */
  readonly sequences?: Sequences | undefined;
}

/** The bias of a hidden key: float32's lowest number, as in transformers. */
export const HIDDEN_KEY = -3.4028234663852886e38;

/**
 * dropout(softmax(query key^T / sqrt(width) + keyBias)) for every head.
 *
 * @param query - [batch, positions, heads * width], or with `sequences` [rows, heads * width]
 * @param key - as query
 * @returns [batch, heads, positions, positions], or with `sequences` the squares of their heads one after
 *   the other, as {@link Sequences} says
 * @example
 * ```ts
 * import { attentionContext, attentionProbabilities, createBackend, createTape } from "espalier/nn";
 * import { HIDDEN_KEY, input, releaseTape } from "espalier/nn";
 *
 * const tape = createTape(createBackend({ variant: "scalar" }), { training: false });
 * const x = input(tape, [1, 2, 1], Float32Array.of(3, 4));
 * const keyBias = input(tape, [1, 2], Float32Array.of(0, HIDDEN_KEY));
 * const probabilities = attentionProbabilities(tape, x, x, { heads: 1, keyBias });
 * console.assert(probabilities.value.data.join() === "1,0,1,0");
 * console.assert(attentionContext(tape, probabilities, x).value.data.join() === "3,3");
 * releaseTape(tape);
 * ```
 */
export function attentionProbabilities(
  tape: Tape,
  query: Variable,
  key: Variable,
  options: AttentionOptions,
): Variable {
  const { heads, keyBias, dropout = 0 } = options;
  const layout = layoutOf(query.shape, heads, options.sequences);
  const longest = longestOf(layout.sequences);
  const maxPositions = options.maxPositions ?? longest;
  checkSameShape("attention key", key.shape, query.shape);
  checkSameShape("attention keyBias", keyBias.shape, query.shape.slice(0, -1));
  checkDropoutRate("attention dropout", dropout);
  checkInteger("attention maxPositions", maxPositions, longest);
  const draw = nextDropoutDraw(tape, dropout);
  const needsGradient = query.requiresGradient || key.requiresGradient;
  const output = createOutput(tape, probabilitiesShape(query.shape, layout), needsGradient);
  const probabilities = draw === null ? output.value.retain() : createScratch(tape, output.shape);
  const scores = probabilities.data;
  const { kernels } = tape.backend;
  multiplyRowsByHead(kernels, layout, query.value.data, key.value.data, scores, false);
  const [bias, scale] = [keyBias.value.data, 1 / Math.sqrt(layout.width)];
  forEachExample(kernels, layout, (square, row, rows, columns) => {
    kernels.attentionSoftmaxForward(scores, bias, scale, scores, square, row, rows, columns);
  });
  if (draw !== null)
    dropProbabilities(tape, draw, layout, maxPositions, probabilities, output.value);
  record(
    tape,
    "attentionProbabilities",
    output,
    {
      query,
      queryValue: query.value,
      key,
      keyValue: key.value,
      probabilities,
      layout,
      maxPositions,
      draw,
    },
    [query.value, key.value, probabilities],
  );
  probabilities.release();
  return output;
}

/**
 * probabilities values, for every head.
 *
 * @param probabilities - as {@link attentionProbabilities} gives them
 * @param values - [batch, positions, heads * width], or with `sequences` [rows, heads * width]
 * @param sequences - those of the probabilities
 * @returns as values
 */
export function attentionContext(
  tape: Tape,
  probabilities: Variable,
  values: Variable,
  sequences?: Sequences,
): Variable {
  const heads =
    sequences === undefined
      ? probabilities.shape[1]
      : elementCount(probabilities.shape) / squaresOf(sequences);
  const layout = layoutOf(values.shape, heads, sequences);
  const expected = probabilitiesShape(values.shape, layout);
  checkSameShape("attention probabilities", probabilities.shape, expected);
  const needsGradient = probabilities.requiresGradient || values.requiresGradient;
  const context = createOutput(tape, values.shape, needsGradient);
  const [p, v, c] = [probabilities.value, values.value, context.value];
  multiplySquaresByHead(tape.backend.kernels, "nn", layout, p.data, v.data, c.data, false);
  record(
    tape,
    "attentionContext",
    context,
    { probabilities, probabilitiesValue: p, values, valuesValue: v, layout },
    [p, v],
  );
  return context;
}

/** dP = dropout; dS = softmax backward; dQ = dS K, dK = dS^T Q (the scale is in dS). */
export function attentionProbabilitiesBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"attentionProbabilities">,
): void {
  const { query, queryValue, key, keyValue, probabilities, layout, maxPositions, draw } = operands;
  const { kernels } = tape.backend;
  const dScores = consumedGradient(tape, output);
  if (draw !== null) dropProbabilities(tape, draw, layout, maxPositions, dScores, dScores);
  const [p, dS, scale] = [probabilities.data, dScores.data, 1 / Math.sqrt(layout.width)];
  forEachExample(kernels, layout, (square, _row, rows, columns) => {
    kernels.attentionSoftmaxBackward(p, dS, scale, dS, square, rows, columns);
  });
  if (query.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, query);
    const [ds, k, dq] = [dScores.data, keyValue.data, tensor.data];
    multiplySquaresByHead(kernels, "nn", layout, ds, k, dq, accumulate);
  }
  if (key.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, key);
    const [ds, q, dk] = [dScores.data, queryValue.data, tensor.data];
    multiplySquaresByHead(kernels, "tn", layout, ds, q, dk, accumulate);
  }
}

/** dP = dC V^T, dV = P^T dC. */
export function attentionContextBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"attentionContext">,
): void {
  const { probabilities, probabilitiesValue, values, valuesValue, layout } = operands;
  const { kernels } = tape.backend;
  const dContext = arrivedGradient(output);
  if (probabilities.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, probabilities);
    const [dc, v, dp] = [dContext.data, valuesValue.data, tensor.data];
    multiplyRowsByHead(kernels, layout, dc, v, dp, accumulate);
  }
  if (values.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, values);
    const [p, dc, dv] = [probabilitiesValue.data, dContext.data, tensor.data];
    multiplySquaresByHead(kernels, "tn", layout, p, dc, dv, accumulate);
  }
}

function layoutOf(shape: Shape, heads: number, sequences: Sequences | undefined): AttentionLayout {
  checkInteger("attention heads", heads, 1);
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
  return { sequences: sequences ?? uniformSequences(shape[0], shape[1]), heads, width };
}

/** The shape of the probabilities for rows of that shape. */
function probabilitiesShape(rows: Shape, { sequences, heads }: AttentionLayout): Shape {
  if (rows.length === 3) return [rows[0], heads, rows[1], rows[1]];
  return [heads * squaresOf(sequences)];
}

/** Elements that one head's probabilities of all sequences have. */
function squaresOf({ squares }: Sequences): number {
  return squares[squares.length - 1];
}

function longestOf(sequences: Sequences): number {
  let longest = 0;
  forEachSequence(sequences, (_sequence, _row, length) => {
    longest = Math.max(longest, length);
  });
  return longest;
}

/**
 * Runs `body` for every example: where the squares of its heads begin, its first row, and the rows and
 * columns of those squares one below the other.
 */
function forEachExample(
  kernels: Kernels,
  { sequences, heads }: AttentionLayout,
  body: (square: number, row: number, rows: number, columns: number) => void,
): void {
  kernels.independently(() => {
    forEachSequence(sequences, (example, row, length) => {
      body(heads * sequences.squares[example], row, heads * length, length);
    });
  });
}

/** One head of one example: where its rows and its square begin, and its length. */
interface Head {
  readonly row: number;
  readonly square: number;
  readonly length: number;
  readonly example: number;
  readonly head: number;
}

/** Runs `body` for every head of every example; the calls do not depend on each other. */
function forEachHead(
  kernels: Kernels,
  { sequences, heads, width }: AttentionLayout,
  body: (head: Head) => void,
): void {
  kernels.independently(() => {
    forEachSequence(sequences, (example, firstRow, length) => {
      for (let head = 0; head < heads; head++) {
        const row = (firstRow * heads + head) * width;
        const square = heads * sequences.squares[example] + head * length ** 2;
        body({ row, square, length, example, head });
      }
    });
  });
}

/** out = left right^T for every head: rows of heads * width twice to squares. */
function multiplyRowsByHead(
  kernels: Kernels,
  layout: AttentionLayout,
  left: Float32Array,
  right: Float32Array,
  out: Float32Array,
  accumulate: boolean,
): void {
  const { heads, width } = layout;
  const stride = heads * width;
  forEachHead(kernels, layout, ({ row, square, length: s }) => {
    const [a, b] = [left, right];
    kernels.gemm("nt", s, s, width, a, row, stride, b, row, stride, out, square, s, accumulate);
  });
}

/** out = squares rows (`nn`) or squares^T rows (`tn`) for every head. */
function multiplySquaresByHead(
  kernels: Kernels,
  form: "nn" | "tn",
  layout: AttentionLayout,
  squares: Float32Array,
  rows: Float32Array,
  out: Float32Array,
  accumulate: boolean,
): void {
  const { heads, width } = layout;
  const stride = heads * width;
  forEachHead(kernels, layout, ({ row, square, length: s }) => {
    const [a, b] = [squares, rows];
    kernels.gemm(form, s, width, s, a, square, s, b, row, stride, out, row, stride, accumulate);
  });
}

/** Dropout of probabilities: an element's draw depends on its head, query and key, not on the padding. */
function dropProbabilities(
  tape: Tape,
  { rate, key }: DropoutDraw,
  layout: AttentionLayout,
  maxPositions: number,
  x: Tensor,
  y: Tensor,
): void {
  const stride = Math.ceil(maxPositions / DROPOUT_BLOCK) * DROPOUT_BLOCK;
  const { kernels } = tape.backend;
  const [xs, ys] = [x.data, y.data];
  forEachHead(kernels, layout, ({ square, length: s, example: b, head }) => {
    const [first, example] = [head * maxPositions * stride, tape.firstExample + b];
    kernels.dropout(xs, ys, square, s, s, first, stride, rate, key, example);
  });
}
