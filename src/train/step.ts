/**
 * Runs one training step. The pruning hooks run in the order of INC's `prepare_pruning`, around autograd and the
 * optimizer.
 */
import { scale } from "../autograd/arithmetic.ts";
import { backward } from "../autograd/backward.ts";
import { createTape, releaseTape, scalarOf, type TapeOptions } from "../autograd/tape.ts";
import { clipGradientsInto, scaleGradientsInto } from "./clipping.ts";
import { distillationLoss, labelLoss, lossTerms } from "./distillation.ts";
import { checkOutputs } from "./divergence.ts";
import { maskBlockGradientsInto, maskTrainingInto } from "./masking.ts";
import { optimizerStepInto } from "./optimizer.ts";
import {
  beginPruningStepInto,
  endPruningStepInto,
  readGradientsInto,
  shownPruning,
} from "./pruning-steps.ts";
import { learningRateAt } from "./schedule.ts";
import type { TrainingSession } from "./session.ts";
import { lossNeeds, type TrainingSettings } from "./settings.ts";
import { updateCompressedWeightsInto } from "./sparse-products.ts";
import { type LabelledBatch, layerRecords } from "./trainable-model.ts";

export interface StepResult {
  readonly loss: number;
  readonly learningRate: number;
}

/** A batch of a step. */
interface StepPart<Batch> {
  readonly batch: Batch;
  /** The indices of the batch's examples in the training rows, the keys of the teacher cache; null: no cache. */
  readonly rows: ArrayLike<number> | null;
  /** The number of examples in earlier batches of the step. */
  readonly firstExample: number;
}

/** The factor of the gradients of each batch. `mean`: that of the mean over the terms of all batches' losses. */
type BatchFactor = number | "mean";

/**
 * Runs one training step, which changes the session in place: prunes if a prune step is due, computes the loss, the
 * gradients and the scores, updates the parameters, and applies the masks. Gradients must be zero before the step and
 * are zero after it.
 *
 * @param rows - the indices of the batch's examples in the training rows, the keys of the teacher cache. Default: no
 *   cache
 * @throws DivergenceError if the loss or a logit is not finite; no weight is then updated, but pruning may have run
 */
export function trainStepInto<Batch extends LabelledBatch>(
  session: TrainingSession<Batch>,
  batch: Batch,
  rows: ArrayLike<number> | null = null,
): StepResult {
  return stepInto(session, [{ batch, rows, firstExample: 0 }], 1);
}

/**
 * Runs one training step on several batches, whose gradients are added. Under `strict`, the step is that of one batch
 * of all examples, unless the loss includes padding and the batches have different lengths. Under `inc`, as in INC's
 * example script, the loss against labels of each batch is divided by `gradientAccumulationSteps`, and a distillation
 * loss is not divided; INC's `on_step_begin` runs at each batch there, but has an effect only at the first one of a step.
 *
 * @param parts - the indices of each batch's examples in the training rows
 * @param batchOf - called for each of `parts` when its turn comes
 */
export function accumulatedStepInto<Batch extends LabelledBatch>(
  session: TrainingSession<Batch>,
  parts: readonly Uint32Array[],
  batchOf: (rows: Uint32Array) => Batch,
): StepResult {
  return stepInto(session, stepParts(parts, batchOf), batchFactor(session.settings, parts.length));
}

function* stepParts<Batch extends LabelledBatch>(
  parts: readonly Uint32Array[],
  batchOf: (rows: Uint32Array) => Batch,
): Generator<StepPart<Batch>, void> {
  let firstExample = 0;
  for (const rows of parts) {
    yield { batch: batchOf(rows), rows, firstExample };
    firstExample += rows.length;
  }
}

function batchFactor(
  { profile, distillation, gradientAccumulationSteps }: TrainingSettings,
  batches: number,
): BatchFactor {
  switch (profile) {
    case "strict":
      return batches === 1 ? 1 : "mean";
    case "inc":
      return distillation === null ? 1 / gradientAccumulationSteps : 1;
    default:
      return profile satisfies never;
  }
}

function stepInto<Batch extends LabelledBatch>(
  session: TrainingSession<Batch>,
  parts: Iterable<StepPart<Batch>>,
  factor: BatchFactor,
): StepResult {
  const { backend, model, settings, step, optimizer, pruning } = session;
  if (pruning !== null) beginPruningStepInto(pruning, step, layerRecords(model));
  const products = sparseProducts(session);
  let loss = 0;
  let terms = 0;
  for (const part of parts) {
    const own = accumulateGradients(session, part, factor, products);
    loss += own.terms * own.loss;
    terms += own.terms;
  }
  if (factor === "mean") scaleGradientsInto(backend, model.parameters.values(), 1 / terms);
  if (settings.maxGradNorm !== null) {
    const trained = optimizer.slots.map(({ parameter }) => parameter);
    clipGradientsInto(backend, trained, settings.maxGradNorm);
  }
  if (pruning !== null) {
    const layers = layerRecords(model);
    readGradientsInto(pruning, layers);
    maskBlockGradientsInto(pruning.state, model.parameters);
    if (settings.profile === "strict") {
      const shown = { state: shownPruning(pruning, layers), kernels: pruning.kernels };
      maskTrainingInto(shown, model.parameters, optimizer, step, products.blockSparse);
    }
  }
  const learningRate = learningRateAt(settings.schedule, settings.optimizer.learningRate, step);
  optimizerStepInto(backend, optimizer, learningRate, { clearGradients: true });
  if (pruning !== null) endPruningStepInto(pruning, layerRecords(model));
  clearFixedGradients(session);
  session.step++;
  return { loss: loss / terms, learningRate };
}

/**
 * Returns the compressed weights for a tape. Call it between two steps, or within a step after the masks were applied.
 */
export function sparseProducts(session: TrainingSession<never>): Pick<TapeOptions, "blockSparse"> {
  const { backend, model, optimizer, pruning, compressed, settings, step } = session;
  if (pruning === null) return {};
  const { parameters } = model;
  const { sparseProducts: setting } = settings;
  const current = { backend, setting, parameters, optimizer, state: pruning.state, step };
  return { blockSparse: updateCompressedWeightsInto(compressed, current) };
}

/**
 * Computes the mean loss of a batch, and adds its gradients times `factor` to the parameters' gradients. With `mean`, the
 * factor is the number of the loss's terms. Returns the loss, and the number of terms as which it counts.
 */
function accumulateGradients<Batch extends LabelledBatch>(
  { backend, model, teacher, teacherCache, settings, step }: TrainingSession<Batch>,
  { batch, rows, firstExample }: StepPart<Batch>,
  factor: BatchFactor,
  products: Pick<TapeOptions, "blockSparse">,
): { readonly loss: number; readonly terms: number } {
  const { seed, distillation, labelSmoothing, classWeights } = settings;
  const cached = rows && teacherCache && { cache: teacherCache, rows };
  const tape = createTape(backend, { training: true, seed, step, firstExample, ...products });
  try {
    const needs = lossNeeds(teacher === null ? null : distillation);
    const output = model.forward(tape, batch, needs);
    const options = { problemType: model.problemType, labelSmoothing, classWeights };
    const loss =
      distillation === null || teacher === null
        ? labelLoss(tape, output, batch, options)
        : distillationLoss(tape, output, teacher, batch, distillation, cached);
    const value = scalarOf(loss);
    checkOutputs(step + 1, value, output.logits.value.data);
    const terms = factor === "mean" ? lossTerms(output, batch, settings) : 1;
    const scaledBy = factor === "mean" ? terms : factor;
    backward(tape, scaledBy === 1 ? loss : scale(tape, loss, scaledBy));
    return { loss: value, terms };
  } finally {
    releaseTape(tape);
  }
}

/** Sets to zero the gradients of parameters that the optimizer does not update. */
function clearFixedGradients({ backend, optimizer }: TrainingSession<never>): void {
  for (const { gradient } of optimizer.fixed) backend.kernels.fill(gradient.data, 0);
}
