/** The loss of a training step: against the labels, or against a frozen teacher. */
import { scale } from "../autograd/arithmetic.ts";
import { selectRows } from "../autograd/embedding.ts";
import { crossEntropy, kullbackLeibler, meanSquaredError } from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import { constant, createTape, input, releaseTape, type Tape } from "../autograd/tape.ts";
import { checkOneOf, describe } from "../core/checks.ts";
import type { Padding } from "../model/token-rows.ts";
import type { DistillationSettings } from "./settings.ts";
import type {
  LabelledBatch,
  TrainableForwardOptions,
  TrainableModel,
  TrainableOutput,
} from "./trainable-model.ts";

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
 * Whether a loss reads what a model computes at padded positions: what a forward pass for it is to be asked
 * for. Distillation of last hidden states does unless its settings exclude them; null is the loss against the
 * labels, which does not.
 *
 * @example
 * ```ts
 * import { lossPadding } from "espalier/nn";
 *
 * console.assert(lossPadding(null) === "excluded");
 * console.assert(lossPadding({ kind: "last-hidden-state", weight: 5 }) === "included");
 * ```
 */
export function lossPadding(settings: DistillationSettings | null): Padding {
  if (settings?.kind !== "last-hidden-state") return "excluded";
  const { padding = "included" } = settings;
  checkOneOf("distillation.padding", padding, ["included", "excluded"]);
  return padding;
}

/** What a loss reads of a forward pass, as the pass is to be asked for it. */
export function lossNeeds(
  settings: DistillationSettings | null,
): Required<TrainableForwardOptions> {
  const hiddenStates = settings?.kind === "last-hidden-state";
  return { padding: lossPadding(settings), hiddenStates };
}

/**
 * The distillation loss of one batch: weight x MSE of the last hidden states, padded positions included
 * unless the settings exclude them ("Knowledge distillation with the reused teacher classifier", CVPR 2022, as
 * the example script applies it), or weight x KL divergence of the logits at a temperature. The labels play no
 * part. The teacher runs without dropout.
 *
 * @param student - of a forward pass that was asked for what {@link lossNeeds} says
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
    const output = teacher.forward(teacherTape, batch, lossNeeds(settings));
    return scale(tape, distance(tape, student, teacherTape, output, settings), settings.weight);
  } finally {
    releaseTape(teacherTape);
  }
}

function distance(
  tape: Tape,
  student: TrainableOutput,
  teacherTape: Tape,
  teacher: TrainableOutput,
  settings: DistillationSettings,
): Variable {
  const { kind, temperature = DEFAULT_TEMPERATURE } = settings;
  switch (kind) {
    case "last-hidden-state": {
      const padding = lossPadding(settings);
      const target = lastHidden("teacher", teacherTape, teacher, padding);
      const state = lastHidden("model", tape, student, padding);
      return meanSquaredError(tape, state, constant(tape, target.value));
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

/** The rows of the last hidden state that the loss is about. */
function lastHidden(
  name: string,
  tape: Tape,
  { hiddenStates, tokenRows }: TrainableOutput,
  padding: Padding,
): Variable {
  const last = hiddenStates?.at(-1);
  if (last !== undefined) {
    const whole = padding === "included" || tokenRows === undefined;
    return whole ? last : selectRows(tape, last, tokenRows);
  }
  throw new RangeError(`${name}: expected hiddenStates in its output, to distil from, got none`);
}
