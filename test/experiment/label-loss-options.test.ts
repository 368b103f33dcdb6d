import { expect, test } from "vitest";
import { formatProblem, isLeft } from "../../src/core/either.ts";
import type { FinetuningRequest } from "../../src/experiment/finetuning-request.ts";
import { NOMINAL_FACTS } from "../../src/experiment/generic-recipe.ts";
import { labelLossNotices } from "../../src/experiment/label-loss-options.ts";
import { chooseRecipes, recipeFor } from "../../src/experiment/recipe-choice.ts";

const SMOOTHED = { labelSmoothing: 0.1 };
const BOTH = { ...SMOOTHED, classWeights: "balanced" };

/** The problems of a request and, without any, its notices. */
function reported(changes: Partial<FinetuningRequest>): readonly string[] {
  const request = { trainFile: "rows.csv", model: "model", ...changes };
  const chosen = chooseRecipes(request);
  if (isLeft(chosen)) return chosen.left.map(formatProblem);
  return labelLossNotices(
    request,
    chosen.right.map((each) => recipeFor(each, NOMINAL_FACTS)),
  );
}

test("options without any effect are refused", () => {
  const refusal =
    "expected a phase that learns from labels (`denseNumTrainEpochs` above 0 or `distillLossWeight` 0), got only a phase that learns from the teacher";
  for (const recipe of ["generic", "bertmini-mrpc-4x1"])
    expect(reported({ ...BOTH, recipe, denseNumTrainEpochs: 0 })).toEqual([
      `\`labelSmoothing\`: ${refusal}`,
      `\`classWeights\`: ${refusal}`,
    ]);
  expect(reported({ ...SMOOTHED, doPrune: false, denseNumTrainEpochs: 0 })).toEqual([
    "`labelSmoothing`: expected a phase that learns from labels (`denseNumTrainEpochs` above 0), got no phase",
  ]);
});

test("options with an effect in one phase of two are noticed", () => {
  const notice = "only in the dense phase; the sparse phase learns from the teacher";
  expect(reported(SMOOTHED)).toEqual([`label smoothing: ${notice}`]);
  expect(reported({ ...BOTH, denseNumTrainEpochs: 0, denseMaxTrainSteps: 9 })).toEqual([
    `label smoothing, class weights: ${notice}`,
  ]);
});

test("options with an effect in every phase are not", () => {
  expect(reported({ ...BOTH, distillLossWeight: 0 })).toEqual([]);
  expect(reported({ ...BOTH, distillLossWeight: 0, denseNumTrainEpochs: 0 })).toEqual([]);
  expect(reported({ ...BOTH, doPrune: false })).toEqual([]);
  expect(reported({ labelSmoothing: 0, denseNumTrainEpochs: 0 })).toEqual([]);
});
