/** Reads the rows on which a model is evaluated, with their labels in the model's terms. */
import { type Either, isLeft, left, type Problem, refuse, right } from "../core/either.ts";
import type { RowColumns } from "../io/rows/columns.ts";
import type { RowLabels } from "../io/rows/labels.ts";
import { rowProblems } from "../io/rows/problems.ts";
import type { RowReaderOptions } from "../io/rows/row-reader.ts";
import { endValidation, type RowSet } from "../io/rows/row-sets.ts";
import { labelMeaning } from "./model-labels.ts";
import type { OutputMeaning } from "./prediction.ts";
import { type InferenceRows, readAgain, readFirst } from "./row-passes.ts";
import type { RunStorage } from "./storage.ts";

export interface EvaluationRows extends InferenceRows {
  /** The label of each row: an id or a value, or for several labels a row [rows, outputs] of 0 and 1. */
  readonly labels: Int32Array | Float64Array | Uint8Array;
  /** The class whose F1 the metric `f1` is. Default 1. */
  readonly positive?: number | undefined;
}

/** Reads a row file with labels. A label that the model does not have makes a bad row. */
export async function readEvaluationRows(
  storage: RunStorage,
  settings: Omit<RowReaderOptions, "needsLabels">,
  meaning: OutputMeaning,
  turn: () => Promise<void>,
): Promise<Either<readonly Problem[], EvaluationRows>> {
  const { problemType, names } = meaning;
  if (problemType === "regression" && names.length !== 1)
    return refuse("MODEL", "a model of one value a row", `one of ${names.length} values`);
  const reader = { ...settings, needsLabels: true };
  const { file, sample, hasPairs } = await readFirst(storage, reader, turn);
  const wrong = columnProblems(file.columns, meaning);
  if (wrong.length > 0) return left(wrong);
  const ended = endValidation(file, labelMeaning(meaning, file.labels), settings.options);
  if (isLeft(ended)) return left(rowProblems(ended.left));
  const { kept, skipped, labels, columns } = ended.right;
  return right({
    path: settings.name,
    count: kept.length,
    labels: keptLabels(labels, kept, meaning.names.length),
    pieces: readAgain(storage, reader, kept),
    ...{ sample, hasPairs, columns, skipped },
  });
}

/** Checks that several label columns are the labels of the model. */
function columnProblems(
  columns: RowColumns | undefined,
  { problemType, names }: OutputMeaning,
): readonly Problem[] {
  const label = columns?.label ?? null;
  if (label === null || typeof label === "string") return [];
  const problem = (expected: string, got: string) => [{ path: "`labelColumn`", expected, got }];
  if (problemType !== "multi_label_classification")
    return problem(`one column, as the model's problem type is ${problemType}`, label.join());
  const isSame = label.length === names.length && label.every((name) => names.includes(name));
  return isSame ? [] : problem(`the labels of the model: ${names.join()}`, label.join());
}

function keptLabels(
  labels: RowLabels,
  kept: RowSet["kept"],
  outputs: number,
): EvaluationRows["labels"] {
  switch (labels.problemType) {
    case "single_label_classification":
      return Int32Array.from(kept, (row) => labels.ids[row] as number);
    case "regression":
      return Float64Array.from(kept, (row) => labels.values[row] as number);
    case "multi_label_classification": {
      const bits = new Uint8Array(kept.length * outputs);
      kept.forEach((row, i) => {
        const begin = row === 0 ? 0 : (labels.ends[row - 1] as number);
        for (const id of labels.ids.subarray(begin, labels.ends[row])) bits[i * outputs + id] = 1;
      });
      return bits;
    }
    default:
      return labels satisfies never;
  }
}
