/** Names the options whose values are not those with which a resumed run began. */
import { InputError, type Problem } from "../core/either.ts";
import type { FinetuningRequest } from "../experiment/finetuning-request.ts";

type Option = keyof FinetuningRequest;

/** The path of a difference from a snapshot: of the patterns, or of a phase. */
const CHANGED = /^(?:run|seed \d+)\.(?:(patterns)$|phases\[(\d+)\]\.(.*))/;

/** The key in a pruning configuration, or in one of its local configurations. */
const PRUNING = /^settings\.pruning(?:\.(?:pruning_configs\[\d+\]\.)?(.*))?$/;

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

/** The options of all phases, and those of the sparse phases. */
const SETTINGS: Readonly<Record<string, Option>> = {
  "id.recipe": "recipe",
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
};

/** The options that set keys of a pruning configuration. */
const PRUNING_KEYS: Readonly<Record<string, Option>> = {
  pattern: "pruningPattern",
  target_sparsity: "targetSparsity",
  pruning_frequency: "pruningFrequency",
  pruning_type: "pruningType",
};

/** Settings that follow from others. */
const DERIVED = /^settings\.(?:schedule\.totalSteps|pruning\.(?:start|end)_step)$/;

/** The options on which keys of a pruning configuration without an option depend. */
const PRESETS: readonly (string | undefined)[] = ["recipe", "profile"] satisfies Option[];

/** A difference from a snapshot. */
interface Change {
  readonly problem: Problem;
  /** The path of the setting in its phase. */
  readonly setting: string;
  /** The option that sets it; undefined if it has none. */
  readonly option: string | undefined;
}

/**
 * Returns the error with the key of the option, in backticks, in each problem about a changed setting. Settings that
 * follow from others are left out if the others are named. `hasSparse`: whether the dense phase has options of its own.
 */
export function namingSettings(
  error: unknown,
  hasSparse: boolean,
  request: Partial<FinetuningRequest>,
): unknown {
  if (!(error instanceof InputError)) return error;
  const changes = error.problems.map((problem) => changeOf(problem, hasSparse, request));
  const isNamed = changes.some(({ option }) => option !== undefined);
  const isPreset =
    request.pruningConfig === undefined && changes.some(({ option }) => PRESETS.includes(option));
  const problems = changes.flatMap(({ problem, setting, option }) => {
    if (option === undefined) return isNamed && DERIVED.test(setting) ? [] : [problem];
    if (option !== "pruningConfig") return [ofOption(problem, option)];
    return isPreset ? [] : [ofPruningFile(problem, setting)];
  });
  const texts = problems.map((problem) => JSON.stringify(problem));
  return new InputError(problems.filter((_, i) => texts.indexOf(texts[i] ?? "") === i));
}

function changeOf(
  problem: Problem,
  hasSparse: boolean,
  request: Partial<FinetuningRequest>,
): Change {
  const [, patterns = "", phase, setting = patterns] = CHANGED.exec(problem.path) ?? [];
  const place = setting.replace(/\[.*/, "");
  if (patterns !== "" && [problem.expected, problem.got].some((text) => text.startsWith('""')))
    return { problem: ofPruning(problem), setting, option: "doPrune" };
  const ofPhase = PHASE_SETTINGS[place];
  if (ofPhase !== undefined) {
    const option =
      hasSparse && phase === "0"
        ? `dense${ofPhase.charAt(0).toUpperCase()}${ofPhase.slice(1)}`
        : ofPhase;
    return { problem, setting, option };
  }
  const isPruning = patterns !== "" || PRUNING.test(setting);
  if (!isPruning) return { problem, setting, option: SETTINGS[place] };
  if (request.pruningConfig === undefined && DERIVED.test(setting))
    return { problem, setting, option: undefined };
  return { problem, setting, option: pruningOption(problem, setting, request) };
}

/** Returns the option of the patterns or of a key of the pruning configuration. */
function pruningOption(
  { expected, got }: Problem,
  setting: string,
  request: Partial<FinetuningRequest>,
): Option {
  const isMixed = setting === "patterns" && [expected, got].some((text) => text.includes("mixed"));
  const key = setting === "patterns" ? "pattern" : (PRUNING.exec(setting)?.[1] ?? "");
  const option = PRUNING_KEYS[key];
  if (option === undefined || isMixed) return "pruningConfig";
  const isFile = request.pruningConfig !== undefined && request[option] === undefined;
  return isFile ? "pruningConfig" : option;
}

/** Returns the difference of two lists of patterns, of which one is empty, as that of two flags. */
function ofPruning({ path, expected, got }: Problem): Problem {
  const isPruned = (patterns: string): string => String(!patterns.startsWith('""'));
  return { path, expected: isPruned(expected), got: isPruned(got) };
}

function storedValue({ got }: Problem): string {
  return got.replace(/ in the snapshot$/, "");
}

function ofOption(problem: Problem, option: string): Problem {
  return {
    path: `\`${option}\``,
    expected: `${storedValue(problem)} as in the run to continue`,
    got: problem.expected,
  };
}

function ofPruningFile(problem: Problem, setting: string): Problem {
  const key = setting.replace(/^settings\.(?:pruning\.)?/, "");
  const stored = storedValue(problem);
  return {
    path: "`pruningConfig`",
    expected: `${stored === "nothing" ? `no ${key}` : `${key} ${stored}`} as in the run to continue`,
    got: problem.expected,
  };
}
