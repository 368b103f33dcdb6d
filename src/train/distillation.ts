/** The loss of a training step: against the labels, or against a frozen teacher. */
import { scale } from "../autograd/arithmetic.ts";
import { crossEntropy, kullbackLeibler, meanSquaredError } from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import { constant, createTape, input, releaseTape, type Tape } from "../autograd/tape.ts";
import { describe } from "../core/checks.ts";
import type { DistillationSettings } from "./settings.ts";
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
 * ("Knowledge distillation with the reused teacher classifier", CVPR 2022, as the example script applies
 * it), or weight x KL divergence of the logits at a temperature. The labels play no part. The teacher
 * runs without dropout.
 */
export function distillationLoss<Batch extends LabelledBatch>(
  tape: Tape,
  student: TrainableOutput,
  teacher: TrainableModel<Batch>,
  batch: Batch,
  settings: DistillationSettings,
): Variable {
  const teacherTape = createTape(tape.backend, { training: false, recordGradients: false });
  try {
    const output = teacher.forward(teacherTape, batch);
    return scale(tape, distance(tape, student, output, settings), settings.weight);
  } finally {
    releaseTape(teacherTape);
  }
}

function distance(
  tape: Tape,
  student: TrainableOutput,
  teacher: TrainableOutput,
  { kind, temperature = DEFAULT_TEMPERATURE }: DistillationSettings,
): Variable {
  switch (kind) {
    case "last-hidden-state": {
      const target = constant(tape, lastHidden("teacher", teacher).value);
      return meanSquaredError(tape, lastHidden("model", student), target);
    }
    case "logits":
      return kullbackLeibler(tape, student.logits, constant(tape, teacher.logits.value), {
        temperature,
      });
    default:
      throw new RangeError(
        `distillation.kind: expected last-hidden-state or logits, got ${describe(kind satisfies never)}`,
      );
  }
}

function lastHidden(name: string, { hiddenStates }: TrainableOutput): Variable {
  const last = hiddenStates?.at(-1);
  if (last !== undefined) return last;
  throw new RangeError(`${name}: expected hiddenStates in its output, to distil from, got none`);
}
