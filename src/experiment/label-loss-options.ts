/** Checks the options that change a loss against labels: label smoothing and class weights. */
import type { Problem } from "../core/either.ts";
import type { ModelConfig } from "../model/config.ts";
import type { FinetuningRequest } from "./finetuning-request.ts";
import type { Recipe } from "./recipes.ts";

const LABEL_LOSS_OPTIONS = ["labelSmoothing", "classWeights"] as const;

type LabelLossOption = (typeof LABEL_LOSS_OPTIONS)[number];

function givenOptions(request: Pick<FinetuningRequest, LabelLossOption>) {
  const { labelSmoothing = 0, classWeights } = request;
  const isGiven = { labelSmoothing: labelSmoothing > 0, classWeights: classWeights !== undefined };
  return LABEL_LOSS_OPTIONS.filter((name) => isGiven[name]);
}

function trainsDense({ dense }: Recipe): boolean {
  return dense.epochs > 0 || dense.maxTrainSteps !== undefined;
}

/** Whether a recipe's sparse phase learns from the teacher instead of the labels. */
function distils({ sparse }: Recipe): boolean {
  return sparse !== null && sparse.distillationWeight > 0;
}

/** Returns a problem for each option that is given although no phase has a loss against labels. */
export function unusedLabelLossProblems(
  request: FinetuningRequest,
  recipe: Recipe,
): readonly Problem[] {
  const isDistilled = distils(recipe);
  if (trainsDense(recipe) || (recipe.sparse !== null && !isDistilled)) return [];
  const options = isDistilled
    ? "`denseNumTrainEpochs` above 0 or `distillLossWeight` 0"
    : "`denseNumTrainEpochs` above 0";
  const expected = `a phase that learns from labels (${options})`;
  const got = isDistilled ? "only a phase that learns from the teacher" : "no phase";
  return givenOptions(request).map((name) => ({ path: `\`${name}\``, expected, got }));
}

/** Returns a problem for label smoothing of a loss that is not cross-entropy. */
export function labelSmoothingProblems(
  { labelSmoothing = 0 }: FinetuningRequest,
  { problemType }: ModelConfig,
): readonly Problem[] {
  if (labelSmoothing === 0 || problemType === "single_label_classification") return [];
  const got = String(labelSmoothing);
  return [{ path: "`labelSmoothing`", expected: `0 for ${problemType}`, got }];
}

/** Returns a message if options have an effect only in the dense phase. */
export function labelLossNotices(
  request: FinetuningRequest,
  recipes: readonly Recipe[],
): readonly string[] {
  const names = givenOptions(request).map((name) => OPTION_TEXTS[name]);
  if (names.length === 0 || !recipes.some(distils)) return [];
  return [`${names.join(", ")}: only in the dense phase; the sparse phase learns from the teacher`];
}

const OPTION_TEXTS: Readonly<Record<LabelLossOption, string>> = {
  labelSmoothing: "label smoothing",
  classWeights: "class weights",
};
