/** Lists the settings of a plan as names and values, for the report. */

import { type PhaseRecipe, type Recipe, recipePruningConfig } from "../experiment/recipes.ts";
import { labelNames } from "../experiment/task-labels.ts";
import type { RunReport } from "../report/run-report.ts";
import type { RunPlan } from "./plan.ts";

type Settings = RunReport["settings"];

function phaseSettings(name: string, phase: PhaseRecipe, { profile, config }: RunPlan): Settings {
  const labels = labelNames(config);
  const weights = phase.classWeights?.map((weight, id) => `${labels?.[id] ?? id} ${weight}`);
  const { gradientAccumulationSteps: batches } = phase;
  const stepping =
    profile === "inc" ? `${batches}, in the stepping of the example script` : batches;
  return [
    [`${name}: epochs`, String(phase.epochs)],
    [`${name}: batch size`, String(phase.batchSize)],
    [`${name}: batches`, phase.batching],
    [`${name}: learning rate`, `${phase.learningRate}, ${phase.scheduleName}`],
    [`${name}: warm-up steps`, String(phase.warmupSteps)],
    [`${name}: weight decay`, String(phase.weightDecay)],
    [`${name}: AdamW`, `betas ${phase.betas.join(", ")}; epsilon ${phase.epsilon}`],
    ...given(`${name}: steps`, phase.maxTrainSteps),
    ...given(`${name}: batches of an update`, batches && stepping),
    ...given(`${name}: largest norm of gradients`, phase.maxGradNorm),
    ...given(`${name}: label smoothing`, phase.labelSmoothing),
    ...given(`${name}: class weights`, weights?.join(", ")),
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
    ...phaseSettings(name, sparse, plan),
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
    ...(first === undefined ? [] : phaseSettings("dense", first.dense, plan)),
    ...plan.recipes.flatMap((recipe) => sparseSettings(recipe, plan)),
  ];
}
