/** Names the options whose values are not those with which a resumed run began. */
import { InputError, type Problem } from "../core/either.ts";
import type { FinetuningRequest } from "../experiment/finetuning-request.ts";

type Option = keyof FinetuningRequest;

/** The path of a difference between a phase and its snapshot. */
const CHANGED = /^(?:run|seed \d+)\.phases\[(\d+)\]\.([^[]*)/;

/** The options that each phase has for itself, by the paths of their settings. */
const PHASE_SETTINGS: Readonly<Record<string, Option>> = {
  epochs: "numTrainEpochs",
  batchSize: "perDeviceTrainBatchSize",
  "settings.optimizer.learningRate": "learningRate",
  "settings.optimizer.weightDecay": "weightDecay",
  "settings.schedule.name": "lrSchedulerType",
  "settings.schedule.warmupSteps": "numWarmupSteps",
  "settings.gradientAccumulationSteps": "gradientAccumulationSteps",
  "settings.maxTrainSteps": "maxTrainSteps",
};

/** The options of all phases, and those of the sparse phase alone. */
const SETTINGS: Readonly<Record<string, Option>> = {
  "id.recipe": "recipe",
  "id.pattern": "pruningPattern",
  evaluationBatchSize: "perDeviceEvalBatchSize",
  padTo: "padToMaxLength",
  best: "saveBest",
  "best.metric": "saveBest",
  "best.isSaved": "saveBest",
  "best.patience": "earlyStoppingPatience",
  "settings.batching": "batching",
  "settings.profile": "profile",
  "settings.sparseProducts": "sparseProducts",
  "settings.teacherCache": "teacherCache",
  "settings.distillation": "distillLossWeight",
  "settings.distillation.weight": "distillLossWeight",
  "settings.distillation.padding": "distillPadding",
  "settings.maxGradNorm": "maxGradNorm",
  "settings.labelSmoothing": "labelSmoothing",
  "settings.classWeights": "classWeights",
  "settings.pruning.pattern": "pruningPattern",
  "settings.pruning.target_sparsity": "targetSparsity",
  "settings.pruning.pruning_frequency": "pruningFrequency",
};

/** Settings that follow from others. */
const DERIVED = /^(?:settings\.schedule\.totalSteps|settings\.pruning\.(?:start|end)_step)$/;

/**
 * Returns the error with the key of the option, in backticks, in each problem about a changed setting. Settings that
 * follow from others are left out if the others are named. `hasSparse`: whether the dense phase has options of its own.
 */
export function namingSettings(error: unknown, hasSparse: boolean): unknown {
  if (!(error instanceof InputError)) return error;
  const named = error.problems.map((problem) => ({
    problem,
    option: optionOf(problem, hasSparse),
  }));
  const isNamed = named.some(({ option }) => option !== undefined);
  const problems = named.flatMap(({ problem, option }) => {
    if (option !== undefined) return [ofOption(problem, option)];
    return isNamed && DERIVED.test(settingOf(problem)) ? [] : [problem];
  });
  const texts = problems.map((problem) => JSON.stringify(problem));
  return new InputError(problems.filter((_, i) => texts.indexOf(texts[i] ?? "") === i));
}

function settingOf({ path }: Problem): string {
  return CHANGED.exec(path)?.[2] ?? "";
}

function optionOf(problem: Problem, hasSparse: boolean): string | undefined {
  const setting = settingOf(problem);
  const ofPhase = PHASE_SETTINGS[setting];
  if (ofPhase === undefined) return SETTINGS[setting];
  const isDense = hasSparse && CHANGED.exec(problem.path)?.[1] === "0";
  return isDense ? `dense${ofPhase.charAt(0).toUpperCase()}${ofPhase.slice(1)}` : ofPhase;
}

function ofOption({ expected, got }: Problem, option: string): Problem {
  const stored = got.replace(/ in the snapshot$/, "");
  return {
    path: `\`${option}\``,
    expected: `${stored} as in the run to continue`,
    got: expected,
  };
}
