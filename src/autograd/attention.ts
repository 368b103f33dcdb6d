/**
 * Multi-head attention in two operations: probabilities from query and key, context from
 * probabilities and values. Heads stay where the projections put them, side by side in a row; each
 * product reads its head by offset and row stride.
 */
import { checkInteger } from "../core/checks.ts";
import type { Kernels } from "../kernels/table.ts";
import { checkSameShape, formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { checkDropoutRate, DROPOUT_BLOCK } from "./dropout.ts";
import { arrivedGradient, consumedGradient, gradientTarget } from "./gradient.ts";
import type { AttentionLayout, DropoutDraw, OperationRecord, Variable } from "./records.ts";
import { createOutput, createScratch, nextDropoutDraw, record, type Tape } from "./tape.ts";

/** Options of {@link attentionProbabilities}. */
export interface AttentionOptions {
  readonly heads: number;
  /** Added to every score of its key, [batch, positions]: 0 keeps a key, {@link HIDDEN_KEY} hides it. */
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
 * @param query - [batch, positions, heads * width]
 * @param key - as query
 * @returns [batch, heads, positions, positions]
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
  const layout = layoutOf(query, heads);
  const { batch, positions } = layout;
  const maxPositions = options.maxPositions ?? positions;
  checkSameShape("attention key", key.shape, query.shape);
  checkSameShape("attention keyBias", keyBias.shape, [batch, positions]);
  checkDropoutRate("attention dropout", dropout);
  checkInteger("attention maxPositions", maxPositions, positions);
  const draw = nextDropoutDraw(tape, dropout);
  const needsGradient = query.requiresGradient || key.requiresGradient;
  const output = createOutput(tape, [batch, heads, positions, positions], needsGradient);
  const probabilities = draw === null ? output.value.retain() : createScratch(tape, output.shape);
  const scores = probabilities.data;
  multiplyRowsByHead(tape.backend.kernels, layout, query.value.data, key.value.data, scores, false);
  tape.backend.kernels.attentionSoftmaxForward(
    scores,
    keyBias.value.data,
    1 / Math.sqrt(layout.width),
    scores,
    batch,
    heads,
    positions,
  );
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
 * @param probabilities - [batch, heads, positions, positions]
 * @param values - [batch, positions, heads * width]
 * @returns as values
 */
export function attentionContext(tape: Tape, probabilities: Variable, values: Variable): Variable {
  const layout = layoutOf(values, probabilities.shape[1]);
  const { batch, heads, positions } = layout;
  const expected = [batch, heads, positions, positions];
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
  const { batch, heads, positions, width } = layout;
  const dScores = consumedGradient(tape, output);
  if (draw !== null) dropProbabilities(tape, draw, layout, maxPositions, dScores, dScores);
  kernels.attentionSoftmaxBackward(
    probabilities.data,
    dScores.data,
    1 / Math.sqrt(width),
    dScores.data,
    batch * heads * positions,
    positions,
  );
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

function layoutOf(rows: Variable, heads: number): AttentionLayout {
  const [batch, positions, columns] = rows.shape;
  checkInteger("attention heads", heads, 1);
  if (rows.shape.length !== 3 || columns % heads !== 0) {
    throw new RangeError(
      `attention: expected [batch, positions, a multiple of ${heads}], got ${formatShape(rows.shape)}`,
    );
  }
  return { batch, positions, heads, width: columns / heads };
}

/** Runs `body` for every head of every example: where its rows and its square of probabilities begin. */
function forEachHead(
  kernels: Kernels,
  { batch, positions, heads, width }: AttentionLayout,
  body: (row: number, square: number, example: number, head: number) => void,
): void {
  kernels.independently(() => {
    for (let b = 0; b < batch; b++) {
      for (let h = 0; h < heads; h++) {
        const row = (b * positions * heads + h) * width;
        body(row, (b * heads + h) * positions * positions, b, h);
      }
    }
  });
}

/** out = left right^T for every head: [batch, positions, heads * width] twice to [batch, heads, positions, positions]. */
function multiplyRowsByHead(
  kernels: Kernels,
  layout: AttentionLayout,
  left: Float32Array,
  right: Float32Array,
  out: Float32Array,
  accumulate: boolean,
): void {
  const { positions: s, heads, width } = layout;
  const stride = heads * width;
  forEachHead(kernels, layout, (row, square) => {
    const [a, b] = [left, right];
    kernels.gemm("nt", s, s, width, a, row, stride, b, row, stride, out, square, s, accumulate);
  });
}

/** out = squares rows (`nn`) or squares^T rows (`tn`) for every head; squares are [batch, heads, positions, positions]. */
function multiplySquaresByHead(
  kernels: Kernels,
  form: "nn" | "tn",
  layout: AttentionLayout,
  squares: Float32Array,
  rows: Float32Array,
  out: Float32Array,
  accumulate: boolean,
): void {
  const { positions: s, heads, width } = layout;
  const stride = heads * width;
  forEachHead(kernels, layout, (row, square) => {
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
  const { positions: s } = layout;
  const { kernels } = tape.backend;
  const [xs, ys] = [x.data, y.data];
  forEachHead(kernels, layout, (_row, square, b, head) => {
    const [first, example] = [head * maxPositions * stride, tape.firstExample + b];
    kernels.dropout(xs, ys, square, s, s, first, stride, rate, key, example);
  });
}
