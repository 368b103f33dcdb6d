/** Lists the settings of a plan as names and values, for the report. */

import { patternOf } from "../experiment/plan.ts";
import {
  type PhaseRecipe,
  recipePruningConfig,
  type SparsePhaseRecipe,
} from "../experiment/recipes.ts";
import { labelNames } from "../experiment/task-labels.ts";
import type { RunReport } from "../report/run-report.ts";
import type { RunPlan } from "./plan.ts";
import { patternLabels } from "./report.ts";

type Settings = RunReport["settings"];

function phaseSettings(phase: PhaseRecipe, { profile, config }: RunPlan): Settings {
  const labels = labelNames(config);
  const weights = phase.classWeights?.map((weight, id) => `${labels?.[id] ?? id} ${weight}`);
  const { gradientAccumulationSteps: batches } = phase;
  const stepping =
    profile === "inc" ? `${batches}, in the stepping of the example script` : batches;
  return [
    ["epochs", String(phase.epochs)],
    ["batch size", String(phase.batchSize)],
    ["batches", phase.batching],
    ["learning rate", `${phase.learningRate}, ${phase.scheduleName}`],
    ["warm-up steps", String(phase.warmupSteps)],
    ["weight decay", String(phase.weightDecay)],
    ["AdamW", `betas ${phase.betas.join(", ")}; epsilon ${phase.epsilon}`],
    ...given("steps", phase.maxTrainSteps),
    ...given("batches of an update", batches && stepping),
    ...given("largest norm of gradients", phase.maxGradNorm),
    ...given("label smoothing", phase.labelSmoothing),
    ...given("class weights", weights?.join(", ")),
  ];
}

/** Returns a setting that is listed only if it is given. */
function given(name: string, value: number | string | undefined): Settings {
  return value === undefined ? [] : [[name, String(value)]];
}

function sparseSettings(sparse: SparsePhaseRecipe, plan: RunPlan): Settings {
  const pruning =
    plan.pruningConfig ?? recipePruningConfig(sparse, plan.trainingRows.length, plan.profile);
  return [
    ...phaseSettings(sparse, plan),
    ["distillation weight", String(sparse.distillationWeight)],
    ["padding in distillation", sparse.distillationPadding],
    ["teacher's results kept as", sparse.teacherCache],
    ...Object.entries(pruning).flatMap(([key, value]) =>
      key === "pruning_configs" && Array.isArray(value)
        ? localSettings(value)
        : [[`pruning: ${key}`, settingText(value)] as const],
    ),
  ];
}

/** Lists local pruning configurations, which are numbered if there are several. */
function localSettings(configs: readonly unknown[]): Settings {
  return configs.flatMap((config, i) =>
    Object.entries(config as object).map(([key, value]): Settings[number] => [
      `pruning${configs.length === 1 ? "" : ` ${i + 1}`}: ${key}`,
      settingText(value),
    ]),
  );
}

function settingText(value: unknown): string {
  if (typeof value === "string") return value;
  const isList = Array.isArray(value) && value.every((each) => typeof each !== "object");
  return isList ? value.join(", ") : JSON.stringify(value);
}

/** Lists the settings of the sparse phases: once if all phases have the same value, otherwise by pattern. */
function settingsOfPatterns(plan: RunPlan): Settings {
  const phases = plan.recipes.flatMap(({ name: recipe, sparse }) =>
    sparse === null ? [] : [{ recipe, pattern: patternOf(sparse), sparse }],
  );
  const labels = patternLabels(phases);
  const settings = phases.map(({ sparse }) => new Map(sparseSettings(sparse, plan)));
  const names = new Set(settings.flatMap((own) => [...own.keys()]));
  return [...names].flatMap((name): Settings => {
    const values = settings.map((own) => own.get(name));
    const [first] = values;
    if (first !== undefined && values.every((value) => value === first))
      return [[`sparse: ${name}`, first]];
    return values.flatMap((value, i) => given(`sparse ${labels[i]}: ${name}`, value));
  });
}

/** Lists the numbers and texts of config.json. Its labels and columns are shown elsewhere. */
function describeModel({ source }: RunPlan["config"]): string {
  return Object.entries(source)
    .filter(([, value]) => typeof value !== "object")
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");
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
    ["model", describeModel(plan.config)],
    ...(first === undefined
      ? []
      : phaseSettings(first.dense, plan).map(
          ([name, value]) => [`dense: ${name}`, value] as const,
        )),
    ...settingsOfPatterns(plan),
  ];
}
