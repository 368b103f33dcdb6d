/**
 * Runs one training step. The pruning hooks run in the order of INC's `prepare_pruning`, around autograd and the
 * optimizer.
 */
import { backward } from "../autograd/backward.ts";
import { createTape, releaseTape, scalarOf, type TapeOptions } from "../autograd/tape.ts";
import {
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
} from "../prune/hooks.ts";
import { distillationLoss, labelLoss } from "./distillation.ts";
import { checkOutputs } from "./divergence.ts";
import { maskBlockGradientsInto, maskTrainingInto } from "./masking.ts";
import { optimizerStepInto } from "./optimizer.ts";
import { learningRateAt } from "./schedule.ts";
import type { TrainingSession } from "./session.ts";
import { lossNeeds } from "./settings.ts";
import { updateCompressedWeightsInto } from "./sparse-products.ts";
import { type LabelledBatch, layerRecords } from "./trainable-model.ts";

export interface StepResult {
  readonly loss: number;
  readonly learningRate: number;
}

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
  const { backend, model, settings, step, optimizer, pruning } = session;
  if (pruning !== null) {
    pruning.state = onStepBeginInto(pruning.state, step, layerRecords(model), pruning.scratch);
  }
  const products = sparseProducts(session);
  const loss = accumulateGradients(session, batch, rows, products);
  if (pruning !== null) {
    pruning.state = onBeforeOptimizerStepInto(pruning.state, layerRecords(model), pruning.scratch);
    maskBlockGradientsInto(pruning.state, model.parameters);
    if (settings.profile === "strict")
      maskTrainingInto(pruning, model.parameters, optimizer, step, products.blockSparse);
  }
  const learningRate = learningRateAt(settings.schedule, settings.optimizer.learningRate, step);
  optimizerStepInto(backend, optimizer, learningRate, { clearGradients: true });
  if (pruning !== null) {
    pruning.state = onAfterOptimizerStepInto(pruning.state, layerRecords(model), pruning.scratch);
  }
  clearFixedGradients(session);
  session.step++;
  return { loss, learningRate };
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

/** Computes the loss and adds its gradients to the parameters' gradients. Returns the loss. */
function accumulateGradients<Batch extends LabelledBatch>(
  { backend, model, teacher, teacherCache, settings, step }: TrainingSession<Batch>,
  batch: Batch,
  rows: ArrayLike<number> | null,
  products: Pick<TapeOptions, "blockSparse">,
): number {
  const { seed, distillation } = settings;
  const cached = rows && teacherCache && { cache: teacherCache, rows };
  const tape = createTape(backend, { training: true, seed, step, ...products });
  try {
    const needs = lossNeeds(teacher === null ? null : distillation);
    const output = model.forward(tape, batch, needs);
    const loss =
      distillation === null || teacher === null
        ? labelLoss(tape, output, batch, { problemType: model.problemType })
        : distillationLoss(tape, output, teacher, batch, distillation, cached);
    const value = scalarOf(loss);
    checkOutputs(step + 1, value, output.logits.value.data);
    backward(tape, loss);
    return value;
  } finally {
    releaseTape(tape);
  }
}

/** Sets to zero the gradients of parameters that the optimizer does not update. */
function clearFixedGradients({ backend, optimizer }: TrainingSession<never>): void {
  for (const { gradient } of optimizer.fixed) backend.kernels.fill(gradient.data, 0);
}
