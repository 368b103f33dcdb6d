/** Checks the rows of an experiment, and the settings that depend on their labels. */
import { checkClassWeights } from "../autograd/label-losses.ts";
import type { ProblemType } from "../core/problem-type.ts";
import { checkTokenBatch } from "../model/batch.ts";
import type { ModelConfig } from "../model/config.ts";
import { checkUnweighted } from "../train/distillation.ts";
import { padExamples, type TokenisedExample } from "../train/examples.ts";
import { checkLabelOf, inferProblemType } from "../train/labels.ts";
import type { ExperimentDescription, ExperimentPhase } from "./plan.ts";

/** Checks that all rows are valid input for the models. @throws TypeError or RangeError that names the row */
export function checkGivenRows({
  config,
  teacher,
  trainingRows,
  evaluationRows,
  finalRows,
}: ExperimentDescription): void {
  const problemType = problemTypeOf(config, trainingRows);
  for (const [name, rows] of Object.entries({ trainingRows, evaluationRows, ...finalRows }))
    rows.forEach((row, index) => {
      const path = `${name}[${index}]`;
      checkLabelOf(`${path}.label`, index, row.label, config.labels, problemType);
      for (const model of teacher === undefined ? [config] : [config, teacher.config])
        checkRow(path, row, model);
    });
}

/** Returns what the outputs of a model mean: what its configuration states, or otherwise what the labels are. */
export function problemTypeOf(
  { labels, problemType }: ModelConfig,
  [first]: readonly TokenisedExample[],
): ProblemType {
  return problemType ?? inferProblemType(labels, first?.label ?? 0);
}

/** Checks that a row is valid input for a model. @throws TypeError or RangeError that names the row */
function checkRow(path: string, row: TokenisedExample, config: ModelConfig): void {
  try {
    checkTokenBatch(config, padExamples([row]));
  } catch (error) {
    if (error instanceof Error) error.message = `${path}.${error.message}`;
    throw error;
  }
}

/** Checks that the settings of a loss against labels fit the labels. */
export function checkLabelSettings(
  { settings }: ExperimentPhase,
  problemType: ProblemType,
  classes: number,
): void {
  checkUnweighted(problemType, settings);
  if (settings.classWeights !== null)
    checkClassWeights("classWeights", settings.classWeights, classes);
}
