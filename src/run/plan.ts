/** Makes the plan of a run, which all its seeds share. */

import type { PhaseId } from "../experiment/events.ts";
import {
  type ExperimentPlan,
  phaseSteps,
  type RunDescription,
  resolveExperiment,
} from "../experiment/plan.ts";
import type { Example } from "../io/glue.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { TokenisedExample } from "../train/examples.ts";

/** The description of a run with defaults filled in and rows tokenized, as plain data that can be posted to workers. */
export interface RunPlan extends ExperimentPlan {
  /** The tokenizer, which is saved with the models. */
  readonly tokenizer: Tokenizer;
  readonly variant: KernelVariant | "auto";
  readonly teacherBudget: number | undefined;
}

/** Tokenizes rows, and truncates each of them to at most `maxLength` tokens. */
export function tokenizeRows(
  tokenizer: Tokenizer,
  rows: readonly Example[],
  maxLength: number,
): readonly TokenisedExample[] {
  return rows.map(({ text, textPair, label }) => {
    const { inputIds, tokenTypeIds } = encode(tokenizer, text, textPair, maxLength);
    return { inputIds, tokenTypeIds, label };
  });
}

/** Fills in the defaults of a run, and tokenizes its rows, truncated to the largest `maxLength` of its recipes. */
export function resolveRun(description: RunDescription): RunPlan {
  const { tokenizer, recipes, variant = "auto", teacherBudget } = description;
  const maxLength = Math.max(...recipes.map((recipe) => recipe.maxLength));
  const experiment = resolveExperiment({
    ...description,
    trainingRows: tokenizeRows(tokenizer, description.trainingRows, maxLength),
    evaluationRows: tokenizeRows(tokenizer, description.evaluationRows, maxLength),
  });
  return { ...experiment, tokenizer, variant, teacherBudget };
}

/** Counts the optimizer updates of each phase: the dense phase, then the sparse phase of each recipe. */
export function plannedSteps({ recipes, trainingRows }: RunPlan): readonly number[] {
  const dense = recipes.slice(0, 1).map((recipe) => recipe.dense);
  const sparse = recipes.flatMap((recipe) => recipe.sparse ?? []);
  return [...dense, ...sparse].map((phase) => phaseSteps(phase, trainingRows.length));
}

/**
 * Returns the directory name for a phase's model: `dense`, `sparse`, or `sparse-PATTERN` if several recipes prune. A
 * colon in the pattern is replaced by `in`, because some file systems do not allow colons.
 */
export function phaseDirectory({ recipes }: RunPlan, { phase, pattern }: PhaseId): string {
  if (phase === "dense") return "dense";
  const several = recipes.filter(({ sparse }) => sparse !== null).length > 1;
  return several ? `sparse-${pattern.replace(":", "in")}` : "sparse";
}
