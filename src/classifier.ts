/**
 * A classifier in one call: loads, evaluates and fine-tunes models of text classification from files in memory. The same
 * code runs in Node, workers and pages; `espalier/node` has the same functions for paths.
 *
 * @module espalier/classifier
 */

export { type ClassifierOptions, loadClassifier } from "./run/classifier.ts";
export { type EvaluateClassifierOptions, evaluateClassifier } from "./run/classifier-evaluation.ts";
export {
  type FineTuneClassifierOptions,
  type FineTuningEvent,
  type FineTuningRun,
  fineTuneClassifier,
} from "./run/classifier-training.ts";
export type { Classification, Classifier } from "./run/created-classifier.ts";
export type { ClassifierFile, ClassifierRow, ClassifierRows } from "./run/given-files.ts";
export type { EvaluationDocument } from "./run/model-evaluation.ts";
