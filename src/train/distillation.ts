/** Computes the loss of a training step, against labels or against a frozen teacher. */
import { scale } from "../autograd/arithmetic.ts";
import {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
} from "../autograd/label-losses.ts";
import { kullbackLeibler, meanSquaredError } from "../autograd/losses.ts";
import type { Variable } from "../autograd/records.ts";
import { input, type Tape } from "../autograd/tape.ts";
import { describe, mismatch } from "../core/checks.ts";
import type { ProblemType } from "../core/problem-type.ts";
import { elementCount, rowsOf } from "../tensor/shape.ts";
import { batchLabels } from "./labels.ts";
import { type DistillationSettings, lossPadding, type TrainingSettings } from "./settings.ts";
import { type CachedRows, distilled, teacherTarget } from "./teacher-targets.ts";
import type { LabelledBatch, TrainableModel, TrainableOutput } from "./trainable-model.ts";

/** Default temperature for the distillation of logits, as in INC's example script. */
const DEFAULT_TEMPERATURE = 2;

/** What a loss against labels depends on. `problemType` is the model's; by default, the labels decide. */
interface LabelLossTerms extends CrossEntropyOptions {
  readonly problemType?: ProblemType | null | undefined;
}

/**
 * Returns the mean loss of a batch as in transformers: cross-entropy for classes, mean squared error for values, and
 * binary cross-entropy for several labels.
 *
 * @throws TypeError or RangeError if the labels have the wrong type or number, or if one is invalid
 */
export function labelLoss(
  tape: Tape,
  { logits }: TrainableOutput,
  batch: LabelledBatch,
  { problemType, ...options }: LabelLossTerms = {},
): Variable {
  const rows = rowsOf(logits.shape);
  const labels = batchLabels(batch.labels, rows, elementCount(logits.shape) / rows, problemType);
  if (labels.problemType === "single_label_classification")
    return crossEntropy(tape, logits, labels.classes, options);
  checkUnweighted(labels.problemType, options);
  return labels.problemType === "regression"
    ? meanSquaredError(tape, logits, input(tape, logits.shape, labels.values))
    : binaryCrossEntropy(tape, logits, labels.values);
}

/** Checks that the options of cross-entropy are only given for single-label classification. */
export function checkUnweighted(
  problemType: ProblemType | null | undefined,
  { labelSmoothing = 0, classWeights = null }: CrossEntropyOptions,
): void {
  if (!problemType || problemType === "single_label_classification") return;
  if (labelSmoothing !== 0)
    throw new RangeError(mismatch("labelSmoothing", `0 for ${problemType}`, labelSmoothing));
  if (classWeights !== null)
    throw new RangeError(
      mismatch("classWeights", `none for ${problemType}`, describe(classWeights)),
    );
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

/**
 * Returns the number by which the mean loss of a batch divides, so that losses of several batches can be combined to
 * their mean: the tokens of a distillation loss over tokens, the sum of the labels' class weights, or the examples. A
 * distillation loss that includes padding counts examples too, because padding depends on the batch.
 */
export function lossTerms(
  { logits, hiddenStates, tokenRows }: TrainableOutput,
  { labels }: LabelledBatch,
  { distillation, classWeights }: Pick<TrainingSettings, "distillation" | "classWeights">,
): number {
  const isOverTokens =
    distillation?.kind === "last-hidden-state" && lossPadding(distillation) === "excluded";
  const last = hiddenStates?.at(-1);
  if (isOverTokens && last !== undefined) return tokenRows?.length ?? rowsOf(last.shape);
  if (distillation !== null || classWeights === null) return rowsOf(logits.shape);
  let sum = 0;
  for (let row = 0; row < labels.length; row++) sum += classWeights[labels[row] ?? 0] ?? 1;
  return sum;
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
