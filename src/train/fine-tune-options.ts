/** The options of `fineTune`, and their checks. */
import type { StopSignal } from "../core/abort.ts";
import {
  checkFunction,
  checkInteger,
  checkKind,
  checkList,
  checkObject,
  checkOptions,
} from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import type { Collate } from "./evaluation.ts";
import type { TrainingSettings } from "./settings.ts";
import type { TrainingSnapshot } from "./snapshot.ts";
import type { TeacherMemory } from "./teacher-cache.ts";
import { checkModel, type LabelledBatch, type TrainableModel } from "./trainable-model.ts";

/** Options for `fineTune`. */
export interface FineTuneOptions<Row, Batch extends LabelledBatch> {
  readonly backend: Backend;
  /** The model, which is trained in place. */
  readonly model: TrainableModel<Batch>;
  /**
   * The frozen teacher for distillation. Its results are cached by row (`settings.teacherCache`), so they must depend
   * only on the row, not on the rest of the batch or on randomness in `collate`.
   */
  readonly teacher?: TrainableModel<Batch> | undefined;
  readonly teacherMemory?: TeacherMemory | undefined;
  readonly trainingRows: readonly Row[];
  /** Rows to evaluate after each epoch. Default: none. */
  readonly evaluationRows?: readonly Row[];
  /** The number of epochs between evaluations, of which one is after the last epoch. Default 1. */
  readonly evaluateEvery?: number;
  readonly collate: Collate<Row, Batch>;
  /** Returns the length of a row. Required for `bucketed` batches. */
  readonly rowLength?: (row: Row) => number;
  /** The number of epochs, unless the settings have `maxTrainSteps`. */
  readonly epochs: number;
  readonly batchSize: number;
  /** Default: `batchSize`. */
  readonly evaluationBatchSize?: number;
  readonly settings: TrainingSettings;
  /** Stops the run after the current step. */
  readonly signal?: StopSignal | undefined;
  /** The snapshot from which the run continues. It must have the same settings and kernel variant as this run. */
  readonly resumeFrom?: TrainingSnapshot | undefined;
}

const FINE_TUNE_OPTIONS: readonly (keyof FineTuneOptions<never, never>)[] = [
  "backend",
  "model",
  "teacher",
  "teacherMemory",
  "trainingRows",
  "evaluationRows",
  "evaluateEvery",
  "collate",
  "rowLength",
  "epochs",
  "batchSize",
  "evaluationBatchSize",
  "settings",
  "signal",
  "resumeFrom",
];

/** The maximum number of epochs, which a run lists. */
const MOST_EPOCHS = 2 ** 20;

/** @throws TypeError or RangeError that names the option */
export function checkFineTuneOptions<Row, Batch extends LabelledBatch>(
  options: FineTuneOptions<Row, Batch>,
): void {
  checkOptions("options", options, FINE_TUNE_OPTIONS);
  checkBackend(options.backend);
  checkModel("model", options.model);
  if (options.teacher !== undefined) checkModel("teacher", options.teacher);
  checkRows("trainingRows", options.trainingRows);
  if (options.evaluationRows !== undefined) checkRows("evaluationRows", options.evaluationRows);
  checkFunction("collate", options.collate);
  if (options.rowLength !== undefined) checkFunction("rowLength", options.rowLength);
  checkObject("settings", options.settings, "optimizer", "schedule");
  if (options.resumeFrom !== undefined) checkObject("resumeFrom", options.resumeFrom, "terms");
  checkInteger("epochs", options.epochs, 0, MOST_EPOCHS);
  checkInteger("batchSize", options.batchSize, 1);
  checkInteger("evaluateEvery", options.evaluateEvery ?? 1, 1);
  checkInteger("evaluationBatchSize", options.evaluationBatchSize ?? 1, 1);
  if (options.settings.batching === "bucketed" && options.rowLength === undefined) {
    throw new RangeError("rowLength: expected a function, for bucketed batches, got none");
  }
  if (options.trainingRows.length === 0) {
    throw new RangeError("trainingRows: expected at least one row, got none");
  }
}

/** Checks that a value is an array without holes, which could be far longer than memory allows. */
function checkRows(name: string, rows: readonly unknown[]): void {
  checkList(name, rows);
  for (let i = 0; i < rows.length; i++)
    if (rows[i] === undefined) checkKind(false, `${name}[${i}]`, "a row", undefined);
}
