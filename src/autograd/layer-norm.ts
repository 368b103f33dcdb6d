import { checkOptions } from "../core/checks.ts";
import { checkParameter, type Parameter } from "../tensor/parameter.ts";
import { checkSameShape, checkVector, columnsOf, rowsOf } from "../tensor/shape.ts";
import { checkTape, checkVariable } from "./check.ts";
import { checkDropoutRate, dropRows, exampleSequences } from "./dropout.ts";
import { consumedGradient, contribute, passGradient } from "./gradient.ts";
import type { OperationRecord, Variable } from "./records.ts";
import type { Sequences } from "./sequences.ts";
import { createOutput, createScratch, nextDropoutDraw, record, type Tape } from "./tape.ts";

/** Options for {@link layerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-12, as in BERT. */
  readonly epsilon?: number;
  /** Added to x after dropout and before normalisation. */
  readonly residual?: Variable;
  /** Dropout rate of x. Default 0. */
  readonly dropout?: number;
  /** Which rows of x belong to which example, for dropout. Default: one example for each entry of the first axis. */
  readonly sequences?: Sequences;
}

/**
 * Applies layer normalisation to dropout(x) + residual, over the last axis, in one operation.
 *
 * @param gamma - scale, [columns]
 * @param beta - shift, [columns]
 * @example
 * ```ts
 * import { createBackend, createParameter, createTape, input, layerNorm } from "espalier/nn";
 * import { releaseTape } from "espalier/nn";
 *
 * const backend = createBackend({ variant: "scalar" });
 * const gamma = createParameter(backend, "gamma", [2], Float32Array.of(1, 1));
 * const beta = createParameter(backend, "beta", [2]);
 * const tape = createTape(backend, { training: false });
 * const normalised = layerNorm(tape, input(tape, [1, 2], Float32Array.of(4, 8)), gamma, beta);
 * console.assert(normalised.value.data.join() === "-1,1");
 * releaseTape(tape);
 * ```
 */
export function layerNorm(
  tape: Tape,
  x: Variable,
  gamma: Parameter,
  beta: Parameter,
  options: LayerNormOptions = {},
): Variable {
  checkTape(tape);
  checkVariable("x", x);
  checkParameter("gamma", gamma);
  checkParameter("beta", beta);
  checkOptions("options", options, ["epsilon", "residual", "dropout", "sequences"]);
  const { epsilon = 1e-12, residual = null, dropout = 0 } = options;
  if (residual !== null) checkVariable("options.residual", residual);
  const sequences = exampleSequences("layerNorm", x.shape, options.sequences);
  const rows = rowsOf(x.shape);
  const columns = columnsOf(x.shape);
  checkVector("layerNorm", gamma.name, gamma.value.shape, columns);
  checkVector("layerNorm", beta.name, beta.value.shape, columns);
  if (residual !== null) checkSameShape("layerNorm residual", residual.shape, x.shape);
  checkDropoutRate("layerNorm dropout", dropout);
  const draw = nextDropoutDraw(tape, dropout);
  const y = createOutput(tape, x.shape, true);
  const normalised = createScratch(tape, x.shape);
  const rstd = createScratch(tape, [rows]);
  if (draw !== null) dropRows(tape, draw, sequences, x.value, normalised);
  tape.backend.kernels.layerNormForward(
    draw === null ? x.value.data : normalised.data,
    residual === null ? null : residual.value.data,
    gamma.value.data,
    beta.value.data,
    epsilon,
    y.value.data,
    normalised.data,
    rstd.data,
    rows,
    columns,
  );
  const operands = { input: x, residual, gamma, beta, normalised, rstd, draw, sequences };
  record(tape, "layerNorm", y, operands, [normalised, rstd]);
  normalised.release();
  rstd.release();
  return y;
}

/**
 * The backward rule of {@link layerNorm}: dSum is the gradient of dropout(x) + residual; dResidual = dSum; dx =
 * dropout(dSum).
 */
export function layerNormBackward(
  tape: Tape,
  { output, operands }: OperationRecord<"layerNorm">,
): void {
  const { input, residual, gamma, beta, normalised, rstd, draw, sequences } = operands;
  const dSum = consumedGradient(tape, output);
  tape.backend.kernels.layerNormBackward(
    dSum.data,
    normalised.data,
    rstd.data,
    gamma.value.data,
    dSum.data,
    gamma.gradient.data,
    beta.gradient.data,
    rowsOf(normalised.shape),
    columnsOf(normalised.shape),
  );
  if (residual?.requiresGradient) passGradient(tape, residual, dSum);
  if (!input.requiresGradient) return;
  if (draw === null) passGradient(tape, input, dSum);
  else contribute(tape, input, (dx) => dropRows(tape, draw, sequences, dSum, dx));
}
