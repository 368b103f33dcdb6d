/** Checks the options of an experiment that do not depend on its phases. */
import { checkInteger, checkObject, checkOptions, checkRecords } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import { checkBackend } from "../kernels/check.ts";
import { checkGivenModels } from "./given-models.ts";
import { checkGivenRows } from "./given-rows.ts";
import { EXPERIMENT_OPTIONS, type ExperimentDescription } from "./plan.ts";

interface CheckedOptions extends ExperimentDescription {
  readonly backend: Backend;
  readonly seed: number;
  readonly resumeFrom?: { readonly terms: { readonly phases: unknown } } | undefined;
}

/** Checks the options of an experiment. @throws TypeError or RangeError that names one */
export function checkExperiment(options: CheckedOptions): void {
  checkOptions("options", options, EXPERIMENT_OPTIONS);
  checkBackend(options.backend);
  checkGivenModels(options);
  const { resumeFrom } = options;
  if (resumeFrom !== undefined) {
    checkObject("resumeFrom", resumeFrom, "terms");
    checkObject("resumeFrom.terms", resumeFrom.terms, "phases");
    checkRecords("resumeFrom.terms.phases", resumeFrom.terms.phases, "id");
  }
  checkRecords("recipes", options.recipes, "name", "dense", "metric");
  checkRecords("trainingRows", options.trainingRows, "inputIds");
  checkRecords("evaluationRows", options.evaluationRows, "inputIds");
  const { finalRows = {} } = options;
  checkObject("finalRows", finalRows);
  for (const [name, rows] of Object.entries(finalRows))
    checkRecords(`finalRows.${name}`, rows, "inputIds");
  const { recipes, trainingRows, evaluationRows, seed, config, teacher } = options;
  checkInteger("seed", seed);
  for (const [name, list] of Object.entries({ recipes, trainingRows, evaluationRows }))
    if (list.length === 0) throw new RangeError(`${name}: expected at least one, got none`);
  const names = recipes.map(({ name }) => name);
  const repeated = names.findIndex((name, i) => names.indexOf(name) !== i);
  if (repeated >= 0)
    throw new RangeError(
      `recipes[${repeated}].name: expected another one, got ${names[repeated]} again`,
    );
  const { hiddenSize } = teacher?.config ?? config;
  const expected = `a model of hidden size ${config.hiddenSize}`;
  if (hiddenSize !== config.hiddenSize)
    throw new RangeError(`teacher: expected ${expected}, got ${hiddenSize}`);
  checkGivenRows(options);
}
