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
import type { MetricName } from "../core/metric-names.ts";
import type { ProblemType } from "../core/problem-type.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { sequentialBatches } from "./batches.ts";
import { labelLoss } from "./distillation.ts";
import type { Evaluation } from "./events.ts";
import { inferProblemType, namingRow } from "./labels.ts";
import { labelsAbove } from "./metrics/multi-label.ts";
import { namedMetrics } from "./metrics/named-metrics.ts";
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
  let logits = new Float32Array(0);
  const labels: number[] = [];
  let lossSum = 0;
  let done = 0;
  for (const indices of sequentialBatches(rows.length, batchSize)) {
    const tape = createTape(backend, { training: false, ...products });
    try {
      const batch = collate(rowsAt(rows, indices));
      const output = model.forward(tape, batch, { padding: "excluded", hiddenStates: false });
      const loss = labelLoss(tape, output, batch, { problemType });
      lossSum += scalarOf(loss) * indices.length;
      const { data } = output.logits.value;
      if (done === 0) logits = new Float32Array((data.length / indices.length) * rows.length);
      logits.set(data, (data.length / indices.length) * done);
      done += indices.length;
      // `push(...labels)` would exceed the maximum number of arguments for a large batch.
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
    logits,
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

/** The metrics of other kinds of problems. */
const NO_METRICS: Readonly<Record<MetricName, null>> = {
  accuracy: null,
  f1: null,
  macroF1: null,
  microF1: null,
  matthews: null,
  meanSquaredError: null,
  pearson: null,
  spearman: null,
};

/** Computes the metrics that belong to the kind of problem. The others are null. */
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
  const named = namedMetrics(problemType, classes, labels, decided(predictions, problemType));
  const isSingle = problemType === "single_label_classification";
  return {
    ...{ examples, loss, ...NO_METRICS },
    ...Object.fromEntries(named.values),
    majority: isSingle ? majorityShare(labels) : null,
    perClass: problemType === "regression" ? null : named.perClass,
    confusion: named.confusion,
  };
}

/** Returns what the logits of each row decide, in the form of labels. */
function decided(predictions: Predictions, problemType: ProblemType): ArrayLike<number> {
  switch (problemType) {
    case "regression":
      return predictions.logits;
    case "multi_label_classification":
      return labelsAbove(predictions.logits);
    case "single_label_classification":
      return predictedClasses(predictions);
    default:
      return problemType satisfies never;
  }
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
