/** Names the losses of a run's phases. */
import type { ProblemType } from "../core/problem-type.ts";
import type { LossName } from "../report/run-report.ts";
import { outputMeaning } from "./model-labels.ts";
import type { RunPlan } from "./plan.ts";

const LABEL_LOSSES: Readonly<Record<ProblemType, string>> = {
  single_label_classification: "cross-entropy",
  multi_label_classification: "binary cross-entropy",
  regression: "squared error",
};

type Losses = Pick<RunPlan, "config" | "recipes" | "pruningConfig">;

/** Returns the loss of the dense phase. */
export function denseLoss({ config }: Losses): LossName {
  return { name: LABEL_LOSSES[outputMeaning(config).problemType] };
}

/** Returns the loss of a recipe's sparse phase. */
export function sparseLoss(plan: Losses, recipe: string): LossName {
  const sparse = plan.recipes.find(({ name }) => name === recipe)?.sparse;
  if (sparse == null || sparse.distillationWeight === 0) return denseLoss(plan);
  const { distillationWeight: weight, distillationPadding: padding } = sparse;
  const over = padding === "included" ? "all positions, padding included" : "all tokens";
  return {
    name: "distillation",
    meaning: `${weight} times the mean squared distance between the last hidden states of the model and its teacher, over ${over}. Labels are not used.`,
  };
}
