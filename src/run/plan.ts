/** Makes the plan of a run, which all its seeds share. */

import { mismatch } from "../core/checks.ts";
import type { MetricName } from "../core/metric-names.ts";
import type { PhaseId } from "../experiment/events.ts";
import {
  type ExperimentPlan,
  type ExperimentPlanOf,
  mapRows,
  patternOf,
  phaseSteps,
  type RunDescription,
  resolveExperiment,
} from "../experiment/plan.ts";
import type { Example } from "../io/glue.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { createTokenPacker, type PackedRows, unpackRows } from "../train/packed-rows.ts";

/** The description of a run with defaults filled in and rows packed, as plain data that can be posted to workers. */
export interface RunPlan extends ExperimentPlanOf<PackedRows> {
  /** The tokenizer, which is saved with the models. */
  readonly tokenizer: Tokenizer;
  readonly variant: KernelVariant | "auto";
  readonly teacherBudget: number | undefined;
  readonly metrics: readonly MetricName[];
}

/** Tokenizes rows of text, truncated to at most `maxLength` tokens. */
export function tokenizeRows(
  tokenizer: Tokenizer,
  rows: readonly Example[],
  maxLength: number,
): PackedRows {
  const packer = createTokenPacker();
  for (const { text, textPair } of rows) {
    const { inputIds, tokenTypeIds } = encode(tokenizer, text, textPair, maxLength);
    packer.add(inputIds, tokenTypeIds);
  }
  const labels = Float64Array.from(rows, ({ label }) => label);
  return { ...packer.end(), labels, listLength: null };
}

/** Returns the largest `maxLength` of a run's recipes. */
export function longestInput({ recipes }: Pick<RunPlan, "recipes">): number {
  return Math.max(...recipes.map(({ maxLength }) => maxLength));
}

/** Fills in the defaults of a run, and tokenizes rows of text, truncated to the largest `maxLength` of its recipes. */
export function resolveRun(description: RunDescription): RunPlan {
  const { tokenizer, variant = "auto", teacherBudget, metrics = [] } = description;
  checkDirectories(description);
  const maxLength = longestInput(description);
  const packed = (rows: RunDescription["trainingRows"]): PackedRows =>
    "inputIds" in rows ? rows : tokenizeRows(tokenizer, rows, maxLength);
  const experiment = resolveExperiment({
    ...description,
    trainingRows: packed(description.trainingRows),
    evaluationRows: packed(description.evaluationRows),
    finalRows: mapRows(description.finalRows, packed),
  });
  return { ...experiment, tokenizer, variant, teacherBudget, metrics };
}

/** Returns the experiment of a plan, with its rows as lists. */
export function experimentOf(plan: RunPlan): ExperimentPlan {
  const { trainingRows, evaluationRows, finalRows } = plan;
  return {
    ...plan,
    trainingRows: unpackRows(trainingRows),
    evaluationRows: unpackRows(evaluationRows),
    finalRows: mapRows(finalRows, unpackRows),
  };
}

/** Counts the optimizer updates of each phase: the dense phase, then the sparse phase of each recipe. */
export function plannedSteps({ recipes, trainingRows, profile }: RunPlan): readonly number[] {
  const dense = recipes.slice(0, 1).map((recipe) => recipe.dense);
  const sparse = recipes.flatMap((recipe) => recipe.sparse ?? []);
  return [...dense, ...sparse].map((phase) => phaseSteps(phase, trainingRows.length, profile));
}

/**
 * Returns the directory name for a phase's model: `dense`, `sparse`, or `sparse-PATTERN` if several recipes prune, with
 * `-RECIPE` if several prune to the pattern. A colon in the pattern is replaced by `in`, and other characters that some
 * file systems do not allow by a hyphen.
 */
export function phaseDirectory(
  { recipes }: Pick<RunPlan, "recipes">,
  { phase, pattern, recipe }: Omit<PhaseId, "seed">,
): string {
  if (phase === "dense") return "dense";
  const patterns = recipes.flatMap(({ sparse }) => (sparse === null ? [] : [patternOf(sparse)]));
  if (patterns.length === 1) return "sparse";
  const alone = patterns.filter((each) => each === pattern).length === 1;
  const name = alone ? `sparse-${pattern}` : `sparse-${pattern}-${recipe}`;
  return name.replaceAll(":", "in").replace(/[^\w.-]/g, "-");
}

/** Checks that every phase has a directory of its own. @throws RangeError with the names of two recipes */
function checkDirectories(plan: Pick<RunPlan, "recipes">): void {
  const owners = new Map<string, string>();
  for (const { name: recipe, sparse } of plan.recipes) {
    if (sparse === null) continue;
    const directory = phaseDirectory(plan, { phase: "sparse", pattern: patternOf(sparse), recipe });
    // Some file systems do not distinguish between upper and lower case.
    const owner = owners.get(directory.toLowerCase());
    if (owner !== undefined)
      throw new RangeError(
        mismatch("recipes", "names that make different directories", `${owner} and ${recipe}`),
      );
    owners.set(directory.toLowerCase(), recipe);
  }
}
