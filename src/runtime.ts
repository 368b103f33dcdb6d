/**
 * A small runtime for inference: loads a classifier and classifies texts on kernels that are loaded separately. It has
 * no training code, and reads tokenizers of WordPiece and byte-pair encoding.
 *
 * @module espalier/runtime
 */

export { fastestVariant } from "./kernels/simd/features.ts";
export type { Classification, Classifier } from "./run/created-classifier.ts";
export type { ClassifierFile } from "./run/given-files.ts";
export { loadClassifier, type RuntimeOptions } from "./run/runtime.ts";
