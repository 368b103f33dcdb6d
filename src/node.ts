/**
 * Entry point `espalier/node`: models, files and whole runs on Node, and the reports of runs.
 */

export type { Checkpoint, CheckpointEntry, CheckpointFile } from "./checkpoint/checkpoint.ts";
export { runSelfTest, type SelfTest } from "./conform/self-test.ts";
export { type Either, formatProblem, getOrThrow, InputError, type Problem } from "./core/either.ts";
export type { ThreadedBackend } from "./kernels/backend.ts";
export {
  type CheckpointPacking,
  type LostMetadata,
  type PackedCheckpoint,
  type PackedCheckpointTensor,
  packCheckpoint,
  unpackCheckpoint,
} from "./node/checkpoint-packing.ts";
export {
  type CheckpointPruning,
  type PrunedCheckpoint,
  type PrunedCheckpointLayer,
  pruneCheckpoint,
  type TensorBytes,
} from "./node/checkpoint-pruning.ts";
export { openCheckpoint, openCheckpointOrThrow } from "./node/checkpoint-reader.ts";
export { type CheckpointCopy, copyCheckpoint } from "./node/checkpoint-writer.ts";
export { writeFileAtomically } from "./node/files.ts";
export {
  type FineTuned,
  type FineTuneToDirectoryOptions,
  fineTuneToDirectory,
} from "./node/fine-tune.ts";
export type { MetricsLine } from "./node/metrics.ts";
export {
  type LoadedModel,
  loadModelDirectory,
  readModelDirectory,
  type SavedModel,
  saveModelDirectory,
} from "./node/model-directory.ts";
export type { RunListener, Timings } from "./node/run-board.ts";
export type { PhaseHistory, RunPlan, SeedResult, TaskModel } from "./node/seed-task.ts";
export {
  type LoadClassifierOptions,
  type LoadedClassifier,
  loadSparseClassifier,
} from "./node/sparse-classifier.ts";
export { createStorageFile, type StorageFile } from "./node/storage-file.ts";
export { createNodeBackend, type NodeBackendOptions } from "./node/threaded-backend.ts";
export type { RunOutcome } from "./node/training-run.ts";
export type { Bar } from "./report/bar-plot.ts";
export { type CheckpointReport, checkpointReport } from "./report/checkpoint-report.ts";
export { htmlReport } from "./report/html.ts";
export type {
  EpochPoint,
  LayerSparsity,
  MaskMatrix,
  PatternRun,
  ResultRow,
  ResultTable,
  RunReport,
  SchedulePoint,
  SeedCurve,
} from "./report/run-report.ts";
export { formatTable, relativeDrop, resultsTable, type TextTable } from "./report/table.ts";
