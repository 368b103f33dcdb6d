/** Describes the plan of a run in lines of text: one for all phases, then one for each phase. */
import { counted } from "../core/counted.ts";
import { METRIC_NAMES } from "../core/metric-names.ts";
import { evaluationCount, phaseEpochs } from "../experiment/phase-recipe.ts";
import { phaseSteps, type RunDescription } from "../experiment/plan.ts";
import {
  type PhaseRecipe,
  type Recipe,
  recipePruningConfig,
  type SparsePhaseRecipe,
} from "../experiment/recipes.ts";
import { labelNames } from "../experiment/task-labels.ts";
import type { Profile } from "../prune/config.ts";
import { pruneSteps } from "../prune/schedule.ts";
import { parseTrainingPruning } from "../train/pruning.ts";

type Plan = Pick<
  RunDescription,
  "recipes" | "profile" | "trainingRows" | "pruningConfig" | "config"
>;

interface Context {
  readonly rows: number;
  readonly profile: Profile;
  /** Returns the name of a class. */
  readonly nameOf: (id: number) => string;
}

/** Describes the plan of a run in lines of text. */
export function planLines(plan: Plan): readonly string[] {
  const { recipes, profile = "inc", trainingRows, pruningConfig, config } = plan;
  const [first] = recipes;
  if (first === undefined) return [];
  const names = labelNames(config);
  const nameOf = (id: number): string => names?.[id] ?? String(id);
  const context = { rows: trainingRows.length, profile, nameOf };
  return [
    `recipe ${recipes.map(({ name }) => name).join(", ")}: ${runText(first)}`,
    `dense: ${phaseText(first.dense, false, context)}`,
    ...recipes.flatMap(({ sparse }) =>
      sparse === null ? [] : [sparseText(sparse, pruningConfig, context)],
    ),
  ];
}

function runText({ maxLength, metric, padToMaxLength, ...recipe }: Recipe): string {
  const { saveBest, earlyStoppingPatience: patience } = recipe;
  const compared = METRIC_NAMES[metric].text;
  return [
    `inputs of at most ${counted(maxLength, "token")}`,
    ...(padToMaxLength ? ["batches padded to that length"] : []),
    `compared by ${compared}`,
    ...(saveBest === undefined ? [] : [`saves the best model by ${metricText(saveBest)}`]),
    ...(patience === undefined
      ? []
      : [
          `stops a phase after ${counted(patience, "evaluation")} without a better ${metricText(saveBest ?? metric)}`,
        ]),
  ].join(", ");
}

function metricText(metric: NonNullable<Recipe["saveBest"]>): string {
  return metric === "loss" ? metric : METRIC_NAMES[metric].text;
}

/** Describes what a dense and a sparse phase have in common. `isDistilled`: whether the teacher gives the loss. */
function phaseText(phase: PhaseRecipe, isDistilled: boolean, context: Context): string {
  const { rows, profile } = context;
  const { batchSize, learningRate, scheduleName, warmupSteps, weightDecay } = phase;
  const { gradientAccumulationSteps: batches = 1 } = phase;
  const epochs = phaseEpochs(phase, rows);
  if (epochs === 0) return "none";
  const batch = counted(batchSize, "row");
  const update =
    batches === 1 ? batch : `${profile === "inc" ? "up to " : ""}${batches} batches of ${batch}`;
  const steps = counted(phaseSteps(phase, rows, profile), "step");
  const evaluations = counted(evaluationCount(phase, epochs), "evaluation");
  const warmUp = warmupSteps === 0 ? "" : ` after ${counted(warmupSteps, "warm-up step")}`;
  return [
    `${counted(epochs, "epoch")} (${steps} of ${update}, ${evaluations}) at ${learningRate} ${scheduleName}${warmUp}`,
    `weight decay ${weightDecay}`,
    ...(phase.batching === "bucketed" ? ["batches of rows of similar length"] : []),
    ...(batches > 1 && profile === "inc" ? [scriptAccumulation(batches, isDistilled)] : []),
    ...lossTexts(phase, context),
  ].join(", ");
}

/** Describes accumulation under `inc`, which is that of the example script. */
function scriptAccumulation(batches: number, isDistilled: boolean): string {
  const when = `accumulation as in the example script (a step after batch 1 of an epoch, after every ${batches} more, and after the last;`;
  return `${when} ${isDistilled ? "losses are not divided" : `each batch's loss is divided by ${batches}`})`;
}

/** The number of classes whose weights are listed. */
const LISTED_CLASSES = 10;

function lossTexts(
  { maxGradNorm, labelSmoothing = 0, classWeights = [] }: PhaseRecipe,
  { nameOf }: Context,
): readonly string[] {
  const listed = classWeights
    .slice(0, LISTED_CLASSES)
    .map((weight, id) => `${nameOf(id)} ${Number(weight.toPrecision(4))}`);
  const more = classWeights.length - listed.length;
  return [
    ...(maxGradNorm === undefined ? [] : [`gradients clipped to norm ${maxGradNorm}`]),
    ...(labelSmoothing === 0 ? [] : [`label smoothing ${labelSmoothing}`]),
    ...(listed.length === 0
      ? []
      : [`class weights ${listed.join(", ")}${more > 0 ? ` and ${more} more` : ""}`]),
  ];
}

function sparseText(
  phase: SparsePhaseRecipe,
  pruningConfig: Plan["pruningConfig"],
  context: Context,
): string {
  const { rows, profile } = context;
  const { distillationWeight: weight, distillationPadding: padding, cooldownEpochs } = phase;
  const keys = pruningConfig ?? recipePruningConfig(phase, rows, profile);
  return [
    `sparse ${phase.pattern ?? "mixed"}: ${phaseText(phase, weight > 0, context)}`,
    `${scheduleTexts(keys, profile).join(" and ")}, profile ${profile}`,
    ...(pruningConfig === undefined ? [`cool-down ${counted(cooldownEpochs, "epoch")}`] : []),
    `distillation: ${weight === 0 ? "none" : `weight ${weight}, padding ${padding}`}`,
  ].join("; ");
}

/** Describes the schedules of all pruners, each of them once. */
function scheduleTexts(keys: unknown, profile: Profile): readonly string[] {
  const texts = parseTrainingPruning(keys, profile).pruners.map((pruner) => {
    if (pruner.method === "pattern_lock") return "zeros kept as they are";
    const { targetSparsity, startStep, endStep } = pruner;
    const steps = counted(pruneSteps(pruner).length, "prune step");
    return `target ${targetSparsity} in ${steps} from step ${startStep} to ${endStep}`;
  });
  return [...new Set(texts)];
}
