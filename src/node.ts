/**
 * Models, checkpoints and whole runs, with Node's file system and worker threads.
 *
 * @module espalier/node
 */

export type { Checkpoint } from "./checkpoint/checkpoint.ts";
export type { PackedCheckpoint } from "./checkpoint/pack.ts";
export type { PrunedCheckpoint } from "./checkpoint/prune.ts";
export { type Either, formatProblem, getOrThrow, InputError, type Problem } from "./core/either.ts";
export type { RunDescription } from "./experiment/plan.ts";
export type { LoadedModel } from "./experiment/starting-model.ts";
export {
  type PackingOptions,
  type PruningOptions,
  packCheckpoint,
  pruneCheckpoint,
  type ShrinkOptions,
  shrinkModel,
  unpackCheckpoint,
} from "./node/checkpoint-copies.ts";
export { openCheckpoint, openCheckpointOrThrow } from "./node/checkpoint-reader.ts";
export { copyCheckpoint } from "./node/checkpoint-writer.ts";
export {
  evaluateClassifier,
  fineTuneClassifier,
  loadClassifier,
} from "./node/classifier.ts";
export { writeFileAtomically } from "./node/files.ts";
export { type FineTuneToDirectoryOptions, fineTuneToDirectory } from "./node/fine-tune.ts";
export {
  loadModelDirectory,
  loadSparseClassifier,
  readModelDirectory,
  saveModelDirectory,
} from "./node/storage.ts";
export { createStorageFile } from "./node/storage-file.ts";
export { createNodeBackend, type NodeBackendOptions } from "./node/threaded-backend.ts";
export type { FineTuned } from "./run/fine-tune.ts";
export type { SavedModel } from "./run/model-directory.ts";
export type { LoadedClassifier } from "./run/sparse-classifier.ts";
