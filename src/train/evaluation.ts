/** Runs a model on rows and computes metrics: loss, accuracy and F1. */

import { createTape, releaseTape, scalarOf, type TapeOptions } from "../autograd/tape.ts";
import {
  checkFloat32Array,
  checkFunction,
  checkInteger,
  checkList,
  checkObject,
  checkOptions,
} from "../core/checks.ts";
import type { ProblemType } from "../core/problem-type.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { sequentialBatches } from "./batches.ts";
import { labelLoss } from "./distillation.ts";
import type { Evaluation } from "./events.ts";
import { inferProblemType, namingRow } from "./labels.ts";
import { classificationMetrics } from "./metrics/classification.ts";
import type { LabelledBatch, TrainableModel } from "./trainable-model.ts";
import { checkModel } from "./trainable-model.ts";

export type Collate<Row, Batch> = (rows: readonly Row[]) => Batch;

export interface RowSource<Row, Batch> {
  readonly rows: readonly Row[];
  readonly collate: Collate<Row, Batch>;
  readonly batchSize: number;
}

/** The logits and the label of each row, and the mean loss. */
export interface Predictions {
  /** [examples, classes], row-major. */
  readonly logits: Float32Array;
  /** One number for each example, or [examples, classes] if labels are lists. */
  readonly labels: readonly number[];
  /** The number of outputs. */
  readonly classes: number;
  readonly loss: number;
  /** What the outputs mean. Default: `regression` for one output, otherwise `single_label_classification`. */
  readonly problemType?: ProblemType;
}

/** The tape option that contains compressed weights. */
type EvaluationProducts = Pick<TapeOptions, "blockSparse">;

/**
 * Runs the model on the rows in order, without dropout.
 *
 * @param products - compressed forms of pruned weights. Default: none, so all products are dense
 * @throws RangeError if there are no rows
 */
export function predict<Row, Batch extends LabelledBatch>(
  backend: Backend,
  model: TrainableModel<Batch>,
  source: RowSource<Row, Batch>,
  products: EvaluationProducts = {},
): Predictions {
  checkBackend(backend);
  checkModel("model", model);
  checkObject("source", source, "rows", "collate", "batchSize");
  const { rows, collate, batchSize } = source;
  checkList("source.rows", rows);
  checkFunction("source.collate", collate);
  checkInteger("source.batchSize", batchSize, 1);
  checkOptions("products", products, ["blockSparse"]);
  const { problemType } = model;
  if (rows.length === 0) throw new RangeError("rows: expected at least one, got none");
  const logits: number[] = [];
  const labels: number[] = [];
  let lossSum = 0;
  for (const indices of sequentialBatches(rows.length, batchSize)) {
    const tape = createTape(backend, { training: false, ...products });
    try {
      const batch = collate(rowsAt(rows, indices));
      const output = model.forward(tape, batch, { padding: "excluded", hiddenStates: false });
      const loss = labelLoss(tape, output, batch, { problemType });
      lossSum += scalarOf(loss) * indices.length;
      // `push(...data)` would exceed the maximum number of arguments for a large batch.
      for (const logit of output.logits.value.data) logits.push(logit);
      for (const label of batch.labels) labels.push(label);
    } catch (error) {
      throw namingRow(error, "rows", indices);
    } finally {
      releaseTape(tape);
    }
  }
  const classes = logits.length / rows.length;
  const inferred = inferProblemType(classes, labels.length > rows.length ? labels : 0);
  return {
    logits: Float32Array.from(logits),
    labels,
    classes,
    loss: lossSum / rows.length,
    problemType: problemType ?? inferred,
  };
}

/** Returns the rows at the given indices. @throws RangeError if an index is out of range */
export function rowsAt<Row>(rows: readonly Row[], indices: Uint32Array): readonly Row[] {
  return Array.from(indices, (index) => {
    const row = rows[index];
    if (row === undefined)
      throw new RangeError(`rows: expected an index below ${rows.length}, got ${index}`);
    return row;
  });
}

/** Runs a model on rows and computes its metrics. @throws RangeError if there are no rows */
export function evaluate<Row, Batch extends LabelledBatch>(
  backend: Backend,
  model: TrainableModel<Batch>,
  source: RowSource<Row, Batch>,
  products: EvaluationProducts = {},
): Evaluation {
  return scorePredictions(predict(backend, model, source, products));
}

/** Computes the metrics of predictions. Accuracy, F1 and majority are null unless each example has one class. */
export function scorePredictions(predictions: Predictions): Evaluation {
  checkObject("predictions", predictions, "logits", "labels", "classes", "loss");
  const {
    labels,
    classes,
    loss,
    problemType = inferProblemType(predictions.classes, 0),
  } = predictions;
  checkFloat32Array("predictions.logits", predictions.logits);
  checkList("predictions.labels", labels);
  const examples = predictions.logits.length / classes;
  if (problemType !== "single_label_classification")
    return { examples, loss, accuracy: null, f1: null, majority: null };
  const { accuracy, binaryF1 } = classificationMetrics(labels, predictedClasses(predictions));
  return {
    examples,
    loss,
    accuracy,
    f1: classes === 2 ? binaryF1 : null,
    majority: majorityShare(labels),
  };
}

/** Returns the class with the largest logit in each row. A tie goes to the lowest class. */
export function predictedClasses({ logits, labels, classes }: Predictions): readonly number[] {
  return labels.map((_, row) => {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    return scores.indexOf(Math.max(...scores));
  });
}

function majorityShare(labels: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return Math.max(...counts.values()) / labels.length;
}
