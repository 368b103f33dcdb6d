/** What a classifier's outputs mean. */

/** The kind of problem, as in transformers' configuration. */
export type ProblemType =
  | "single_label_classification"
  | "multi_label_classification"
  | "regression";

/** Every {@link ProblemType}. */
export const PROBLEM_TYPES: readonly ProblemType[] = Object.freeze([
  "single_label_classification",
  "multi_label_classification",
  "regression",
] as const);
