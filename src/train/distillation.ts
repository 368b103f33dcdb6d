/** Computes the loss of a training step, against labels or against a frozen teacher. */
import { scale } from "../autograd/arithmetic.ts";
import { crossEntropy, kullbackLeibler, meanSquaredError } from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import { input, type Tape } from "../autograd/tape.ts";
import { elementCount, rowsOf } from "../tensor/shape.ts";
import { batchLabels } from "./labels.ts";
import type { DistillationSettings } from "./settings.ts";
import { type CachedRows, distilled, teacherTarget } from "./teacher-targets.ts";
import type { LabelledBatch, TrainableModel, TrainableOutput } from "./trainable-model.ts";

/** Default temperature for the distillation of logits, as in INC's example script. */
const DEFAULT_TEMPERATURE = 2;

/**
 * Returns the mean loss of a batch: cross-entropy for classes, mean squared error for values, and always mean squared
 * error if the logits have one column.
 *
 * @throws TypeError or RangeError if the labels have the wrong type or number, or if one is invalid
 */
export function labelLoss(tape: Tape, { logits }: TrainableOutput, batch: LabelledBatch): Variable {
  const rows = rowsOf(logits.shape);
  const labels = batchLabels(batch.labels, rows, elementCount(logits.shape) / rows);
  return labels instanceof Float32Array
    ? meanSquaredError(tape, logits, input(tape, logits.shape, labels))
    : crossEntropy(tape, logits, labels);
}

/**
 * Returns the distillation loss of a batch: weight x MSE of the last hidden states ("Knowledge distillation with the
 * reused teacher classifier", CVPR 2022, as in INC's example script), or weight x KL divergence of the logits. Labels
 * are not used. The teacher runs without dropout.
 *
 * @param student - the student's output, from a forward pass with the options that `lossNeeds` returns
 * @param cached - cached results of the teacher. Default: run the teacher on the batch
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
