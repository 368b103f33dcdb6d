/**
 * Multi-head attention in two operations: probabilities from query and key, context from
 * probabilities and values. Each sequence attends over its own length. Heads stay where the projections
 * put them, side by side in a row; each product reads its head by offset and row stride.
 */
import { checkInteger } from "../core/checks.ts";
import { checkSameShape, elementCount } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type AttentionRows,
  forEachExample,
  forEachHead,
  layoutOf,
  longestOf,
  multiplyRowsByHead,
  multiplySquaresByHead,
  probabilitiesOfHead,
  probabilitiesShape,
  queryShape,
} from "./attention-heads.ts";
import { checkDropoutRate, DROPOUT_BLOCK } from "./dropout.ts";
import { arrivedGradient, consumedGradient, gradientTarget } from "./gradient.ts";
import type { AttentionLayout, DropoutDraw, OperationRecord, Variable } from "./records.ts";
import { createOutput, createScratch, nextDropoutDraw, record, type Tape } from "./tape.ts";

/** Options of {@link attentionProbabilities}. */
export interface AttentionOptions extends AttentionRows {
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
}

/** The bias of a hidden key: float32's lowest number, as in transformers. */
export const HIDDEN_KEY = -3.4028234663852886e38;

/**
 * dropout(softmax(query key^T / sqrt(width) + keyBias)) for every head.
 *
 * @param query - [batch, positions, heads * width], or with `sequences` [rows, heads * width]
 * @param key - as query
 * @returns [batch, heads, positions, positions], or with `sequences` the squares of their heads one after
 *   the other, as {@link Sequences} says; where only first tokens attend, the first row of each square
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
  const layout = layoutOf(key.shape, heads, options);
  const longest = longestOf(layout.sequences);
  const maxPositions = options.maxPositions ?? longest;
  checkSameShape("attention query", query.shape, queryShape(key.shape, layout));
  checkSameShape("attention keyBias", keyBias.shape, key.shape.slice(0, -1));
  checkDropoutRate("attention dropout", dropout);
  checkInteger("attention maxPositions", maxPositions, longest);
  const draw = nextDropoutDraw(tape, dropout);
  const needsGradient = query.requiresGradient || key.requiresGradient;
  const output = createOutput(tape, probabilitiesShape(key.shape, layout), needsGradient);
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
 * @param options - those of the probabilities
 * @returns as the query
 */
export function attentionContext(
  tape: Tape,
  probabilities: Variable,
  values: Variable,
  options: AttentionRows = {},
): Variable {
  const { sequences, queries = "all" } = options;
  const heads =
    sequences === undefined
      ? probabilities.shape[1]
      : elementCount(probabilities.shape) / probabilitiesOfHead(sequences, queries);
  const layout = layoutOf(values.shape, heads, options);
  const expected = probabilitiesShape(values.shape, layout);
  checkSameShape("attention probabilities", probabilities.shape, expected);
  const needsGradient = probabilities.requiresGradient || values.requiresGradient;
  const context = createOutput(tape, queryShape(values.shape, layout), needsGradient);
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
  forEachHead(kernels, layout, (_query, _key, square, queries, length, b, head) => {
    const first = head * maxPositions * stride;
    const example = tape.firstExample + b;
    kernels.dropout(xs, ys, square, queries, length, first, stride, rate, key, example);
  });
}
