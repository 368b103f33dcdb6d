/** Lists the settings of a plan as names and values, for the report. */

import { METRIC_NAMES } from "../core/metric-names.ts";
import { phaseEpochs } from "../experiment/phase-recipe.ts";
import { phaseSteps, type RunDescription } from "../experiment/plan.ts";
import {
  type PhaseRecipe,
  pruningSteps,
  type Recipe,
  recipePruningConfig,
  type SparsePhaseRecipe,
} from "../experiment/recipes.ts";
import type { Profile } from "../prune/config.ts";
import type { RunReport } from "../report/run-report.ts";
import type { RunPlan } from "./plan.ts";

type Settings = RunReport["settings"];

function phaseSettings(name: string, phase: PhaseRecipe): Settings {
  return [
    [`${name}: epochs`, String(phase.epochs)],
    [`${name}: batch size`, String(phase.batchSize)],
    [`${name}: batches`, phase.batching],
    [`${name}: learning rate`, `${phase.learningRate}, ${phase.scheduleName}`],
    [`${name}: warm-up steps`, String(phase.warmupSteps)],
    [`${name}: weight decay`, String(phase.weightDecay)],
    [`${name}: AdamW`, `betas ${phase.betas.join(", ")}; epsilon ${phase.epsilon}`],
    ...given(`${name}: steps`, phase.maxTrainSteps),
    ...given(`${name}: batches of an update`, phase.gradientAccumulationSteps),
    ...given(`${name}: largest norm of gradients`, phase.maxGradNorm),
    ...given(`${name}: label smoothing`, phase.labelSmoothing),
    ...given(`${name}: class weights`, phase.classWeights?.join(", ")),
  ];
}

/** Returns a setting that is listed only if it is given. */
function given(name: string, value: number | string | undefined): Settings {
  return value === undefined ? [] : [[name, String(value)]];
}

function sparseSettings({ name, sparse }: Recipe, plan: RunPlan): Settings {
  if (sparse === null) return [];
  const pruning =
    plan.pruningConfig ?? recipePruningConfig(sparse, plan.trainingRows.length, plan.profile);
  return [
    ...phaseSettings(name, sparse),
    [`${name}: distillation weight`, String(sparse.distillationWeight)],
    [`${name}: padding in distillation`, sparse.distillationPadding],
    [`${name}: teacher's results kept as`, sparse.teacherCache],
    [`${name}: pruning`, JSON.stringify(pruning)],
  ];
}

/** Lists all settings of a plan. `variant` is the kernel variant that was used, even if the plan has `auto`. */
export function planSettings(plan: RunPlan, seeds: readonly number[], variant: string): Settings {
  const [first] = plan.recipes;
  return [
    ["recipes", plan.recipes.map(({ name }) => name).join(", ")],
    ["seeds", seeds.join(", ")],
    ["profile", plan.profile],
    ["kernels", variant],
    ["sparse products", plan.sparseProducts],
    ["training rows", String(plan.trainingRows.length)],
    ["evaluation rows", String(plan.evaluationRows.length)],
    ["longest input", `${first?.maxLength ?? 0} tokens`],
    ...given("batches padded to", first?.padToMaxLength ? `${first.maxLength} tokens` : undefined),
    ...given("saves", first?.saveBest && `the best model by ${first.saveBest}`),
    ...given("evaluations without a better model", first?.earlyStoppingPatience),
    ["vocabulary", `${plan.tokenizer.vocabulary.tokens.length} tokens`],
    ["starts from", plan.initialTensors === undefined ? "random weights" : "a given model"],
    ["teacher", plan.teacher === undefined ? "the dense model" : "a given model"],
    ["model", JSON.stringify(plan.config.source)],
    ...(first === undefined ? [] : phaseSettings("dense", first.dense)),
    ...plan.recipes.flatMap((recipe) => sparseSettings(recipe, plan)),
  ];
}

/** Describes the recipes of a run in lines of text, one for each phase. */
export function describeRecipes({
  recipes,
  profile,
  trainingRows,
}: Pick<RunDescription, "recipes" | "profile" | "trainingRows">): readonly string[] {
  const rows = trainingRows.length;
  const [first] = recipes;
  if (first === undefined) return [];
  return [
    `recipe ${recipes.map(({ name }) => name).join(", ")}: inputs of at most ${first.maxLength} tokens, compared by ${METRIC_NAMES[first.metric].text}`,
    `dense: ${describePhase(first.dense, rows, profile ?? "inc")}`,
    ...recipes.flatMap(({ sparse }) =>
      sparse === null ? [] : [`sparse ${describeSparse(sparse, rows, profile ?? "inc")}`],
    ),
  ];
}

function describePhase(phase: PhaseRecipe, rows: number, profile: Profile): string {
  const { batchSize, learningRate, scheduleName, weightDecay } = phase;
  const epochs = phaseEpochs(phase, rows);
  const { evaluations = epochs, gradientAccumulationSteps = 1 } = phase;
  const steps = phaseSteps(phase, rows, profile);
  const evaluated = Math.min(epochs, Math.max(1, evaluations));
  return `${epochs} epochs (${steps} steps of ${batchSize * gradientAccumulationSteps} rows, at most ${evaluated} evaluations) at ${learningRate} ${scheduleName}, weight decay ${weightDecay}`;
}

function describeSparse(phase: SparsePhaseRecipe, rows: number, profile: Profile): string {
  const { startStep, endStep, pruningFrequency } = pruningSteps(phase, rows, profile);
  const pruneSteps = Math.floor((endStep - startStep) / pruningFrequency) + 1;
  const { distillationWeight: weight, distillationPadding: padding } = phase;
  const distillation = weight === 0 ? "none" : `weight ${weight}, padding ${padding}`;
  return [
    `${phase.pattern ?? "mixed"}: ${describePhase(phase, rows, profile)}`,
    `target ${phase.targetSparsity} in ${pruneSteps} prune steps from step ${startStep} to ${endStep}, profile ${profile}`,
    `cool-down ${phase.cooldownEpochs} epochs; distillation: ${distillation}`,
  ].join("; ");
}
