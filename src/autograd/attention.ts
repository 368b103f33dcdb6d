/**
 * Multi-head attention as two operations: probabilities from query and key, then context from probabilities and values.
 * A row of query, key or values contains all heads, as the projections write them. Products access one head through an
 * offset and a row stride.
 */

import { checkInteger, checkOptions } from "../core/checks.ts";
import { checkSameShape, elementCount } from "../tensor/shape.ts";
import {
  type AttentionRows,
  dropProbabilities,
  layoutOf,
  longestOf,
  multiplyByHead,
  probabilitiesOfHead,
  probabilitiesShape,
  queryShape,
  softmaxOfScores,
  softmaxOfScoresBackward,
} from "./attention-heads.ts";
import { checkTape, checkVariable } from "./check.ts";
import { checkDropoutRate } from "./dropout.ts";
import { arrivedGradient, consumedGradient, gradientTarget } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import { checkSequencesForm } from "./sequences.ts";
import { createOutput, createScratch, nextDropoutDraw, record, type Tape } from "./tape.ts";

interface AttentionOptions extends AttentionRows {
  readonly heads: number;
  /**
   * The bias added to all scores of a key: 0 or {@link HIDDEN_KEY}. Shape [batch, positions], or [rows] with
   * `sequences`.
   */
  readonly keyBias: Variable;
  /** Dropout rate of the probabilities. Default 0. */
  readonly dropout?: number;
  /**
   * The maximum sequence length of the model, which determines the random numbers of dropout. Default: the length of
   * the longest sequence in the operands.
   */
  readonly maxPositions?: number;
}

/** The bias of a hidden key: the lowest float32, as in transformers. */
export const HIDDEN_KEY = -3.4028234663852886e38;

/** The options of both operations, which may share one object. */
const OPTIONS = ["heads", "keyBias", "dropout", "maxPositions", "sequences", "queries"];

/**
 * Computes dropout(softmax(query key^T / sqrt(width) + keyBias)) for every head, within each sequence.
 *
 * @param query - [batch, positions, heads * width], or [rows, heads * width] with `sequences`; with `queries: "first"`,
 *   [sequences, heads * width]
 * @param key - [batch, positions, heads * width], or [rows, heads * width] with `sequences`
 * @returns [batch, heads, positions, positions], or with `sequences` a vector with one square matrix for each sequence
 *   and head (see {@link Sequences}); with `queries: "first"`, only the first row of each matrix
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
  checkTape(tape);
  checkVariable("query", query);
  checkVariable("key", key);
  checkOptions("options", options, OPTIONS);
  checkVariable("options.keyBias", options.keyBias);
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
  multiplyByHead(kernels, "nt", layout, query.value.data, key.value.data, scores, false);
  const bias = keyBias.value.data;
  const scale = 1 / Math.sqrt(layout.width);
  softmaxOfScores(kernels, layout, scores, bias, scale, scores);
  if (draw !== null) {
    const places = { firstExample: tape.firstExample, maxPositions };
    dropProbabilities(kernels, layout, draw, places, scores, output.value.data);
  }
  const operands = { query, key, probabilities, layout, maxPositions, draw };
  const saved = [query.value, key.value, probabilities];
  record(tape, "attentionProbabilities", output, operands, saved);
  probabilities.release();
  return output;
}

/**
 * Computes the product of probabilities and values for every head.
 *
 * @param probabilities - from {@link attentionProbabilities}
 * @param values - [batch, positions, heads * width], or [rows, heads * width] with `sequences`
 * @param options - the same as for the probabilities
 * @returns the context, with the shape of the query
 */
export function attentionContext(
  tape: Tape,
  probabilities: Variable,
  values: Variable,
  options: AttentionRows = {},
): Variable {
  checkTape(tape);
  checkVariable("probabilities", probabilities);
  checkVariable("values", values);
  checkOptions("options", options, OPTIONS);
  const { sequences, queries = "all" } = options;
  if (sequences !== undefined) checkSequencesForm("attention", sequences);
  const heads =
    sequences === undefined
      ? probabilities.shape[1]
      : elementCount(probabilities.shape) / probabilitiesOfHead(sequences, queries);
  const layout = layoutOf(values.shape, heads, options);
  const expected = probabilitiesShape(values.shape, layout);
  checkSameShape("attention probabilities", probabilities.shape, expected);
  const needsGradient = probabilities.requiresGradient || values.requiresGradient;
  const context = createOutput(tape, queryShape(values.shape, layout), needsGradient);
  const p = probabilities.value;
  const v = values.value;
  const c = context.value;
  multiplyByHead(tape.backend.kernels, "nn", layout, p.data, v.data, c.data, false);
  record(tape, "attentionContext", context, { probabilities, values, layout }, [p, v]);
  return context;
}

/**
 * The backward rule of {@link attentionProbabilities}: dScores is the gradient of dropout, softmax and scaling; dQuery
 * = dScores key; dKey = dScores^T query.
 */
export function attentionProbabilitiesBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"attentionProbabilities">,
): void {
  const { query, key, probabilities, layout, maxPositions, draw } = operands;
  const { kernels } = tape.backend;
  const dScores = consumedGradient(tape, output);
  const p = probabilities.data;
  const dS = dScores.data;
  if (draw !== null) {
    const places = { firstExample: tape.firstExample, maxPositions };
    dropProbabilities(kernels, layout, draw, places, dS, dS);
  }
  const scale = 1 / Math.sqrt(layout.width);
  softmaxOfScoresBackward(kernels, layout, p, dS, scale, dS);
  if (query.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, query);
    multiplyByHead(kernels, "nn", layout, dS, key.value.data, tensor.data, accumulate);
  }
  if (key.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, key);
    multiplyByHead(kernels, "tn", layout, dS, query.value.data, tensor.data, accumulate);
  }
}

/**
 * The backward rule of {@link attentionContext}: dProbabilities = dContext values^T; dValues = probabilities^T
 * dContext.
 */
export function attentionContextBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"attentionContext">,
): void {
  const { probabilities, values, layout } = operands;
  const { kernels } = tape.backend;
  const dContext = arrivedGradient(output);
  if (probabilities.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, probabilities);
    const v = values.value.data;
    multiplyByHead(kernels, "nt", layout, dContext.data, v, tensor.data, accumulate);
  }
  if (values.requiresGradient) {
    const { tensor, accumulate } = gradientTarget(tape, values);
    const p = probabilities.value.data;
    multiplyByHead(kernels, "tn", layout, p, dContext.data, tensor.data, accumulate);
  }
}
