/** The loss of a training step: against the labels, or against a frozen teacher. */
import { scale } from "../autograd/arithmetic.ts";
import { crossEntropy, kullbackLeibler, meanSquaredError } from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import { input, type Tape } from "../autograd/tape.ts";
import type { DistillationSettings } from "./settings.ts";
import { type CachedRows, distilled, teacherTarget } from "./teacher-targets.ts";
import type { LabelledBatch, TrainableModel, TrainableOutput } from "./trainable-model.ts";

/** Temperature of `logits` distillation where none is given, as in the example script. */
const DEFAULT_TEMPERATURE = 2;

/**
 * Mean loss against the labels: cross-entropy over classes for Int32Array labels, mean squared error of
 * the only output for Float32Array labels.
 */
export function labelLoss(
  tape: Tape,
  { logits }: TrainableOutput,
  { labels }: LabelledBatch,
): Variable {
  if (labels instanceof Int32Array) return crossEntropy(tape, logits, labels);
  return meanSquaredError(tape, logits, input(tape, logits.shape, labels));
}

/**
 * The distillation loss of one batch: weight x MSE of the last hidden states, padded positions included
 * unless the settings exclude them ("Knowledge distillation with the reused teacher classifier", CVPR 2022, as
 * the example script applies it), or weight x KL divergence of the logits at a temperature. The labels play no
 * part. The teacher runs without dropout.
 *
 * @param student - of a forward pass that was asked for what the loss needs
 * @param cached - where the teacher's results are kept by training row; default: they are computed
 */
export function distillationLoss<Batch extends LabelledBatch>(
  tape: Tape,
  student: TrainableOutput,
  teacher: TrainableModel<Batch>,
  batch: Batch,
  settings: DistillationSettings,
  cached: CachedRows | null = null,
): Variable {
  const own = distilled("model", tape, student, settings);
  const target = teacherTarget(tape, student, own, { teacher, batch, settings }, cached);
  return scale(tape, distance(tape, own, target, settings), settings.weight);
}

function distance(
  tape: Tape,
  own: Variable,
  target: Variable,
  { kind, temperature = DEFAULT_TEMPERATURE }: DistillationSettings,
): Variable {
  switch (kind) {
    case "last-hidden-state":
      return meanSquaredError(tape, own, target);
    case "logits":
      return kullbackLeibler(tape, own, target, { temperature });
    default:
      return kind satisfies never;
  }
}
