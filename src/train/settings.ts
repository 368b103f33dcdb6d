/** Settings of a training run. They are plain data, stored in snapshots and compared before a run is resumed. */

import { checkClassWeights } from "../autograd/label-losses.ts";
import { checkInteger, checkNumber, checkOneOf, checkOptions } from "../core/checks.ts";
import type { Padding } from "../model/token-rows.ts";
import type { Profile } from "../prune/config.ts";
import { BATCHINGS, type Batching } from "./batches.ts";
import type { AdamWSettings, ParameterRule } from "./optimizer.ts";
import { OPTIMIZER_SETTINGS } from "./optimizer.ts";
import { type LearningRateSchedule, learningRateAt, SCHEDULE_SETTINGS } from "./schedule.ts";
import { SPARSE_PRODUCTS, type SparseProductsSetting } from "./sparse-switch.ts";
import type { TeacherPrecision } from "./teacher-cache.ts";

export interface DistillationSettings {
  /**
   * `last-hidden-state`: mean squared error of the last hidden states, as in INC's example script. `logits`:
   * Kullback-Leibler divergence of the logits at a temperature, times the square of the temperature.
   */
  readonly kind: "last-hidden-state" | "logits";
  readonly weight: number;
  /** The temperature of `logits`. Default 2. */
  readonly temperature?: number;
  /**
   * For `last-hidden-state`: `included` averages the loss over all positions, as in INC's example script; `excluded`
   * averages it only over tokens, so that padding need not be computed. Default `included`.
   */
  readonly padding?: Padding;
}

/** Settings of one training run. {@link trainingSettings} fills in the defaults. */
export interface TrainingSettings {
  readonly seed: number;
  readonly batching: Batching;
  readonly optimizer: AdamWSettings;
  /** Rules that decide which parameters decay and which are never updated. The first match applies. */
  readonly parameterRules: readonly ParameterRule[];
  readonly schedule: LearningRateSchedule;
  /** A pruning configuration with INC's keys, or null for dense training. */
  readonly pruning: unknown;
  readonly profile: Profile;
  /** Precision of the teacher's cached results: `float32` is exact, `float16` rounds, `off` disables the cache. */
  readonly teacherCache: TeacherPrecision | "off";
  /** Settings of distillation; null to train against the labels. */
  readonly distillation: DistillationSettings | null;
  /** When matrix products use only the kept blocks of pruned weights. */
  readonly sparseProducts: SparseProductsSetting;
  /**
   * The largest norm of the gradients of all trained parameters together; larger gradients are scaled down before
   * criteria read them. Null: any norm.
   */
  readonly maxGradNorm: number | null;
  /** The number of batches whose gradients one update takes. */
  readonly gradientAccumulationSteps: number;
  /** The number of updates after which training stops, instead of a number of epochs. Null: the number of epochs. */
  readonly maxTrainSteps: number | null;
  /** The share of each label that cross-entropy divides among all classes. */
  readonly labelSmoothing: number;
  /** The weight of each class in cross-entropy. Null: all 1. */
  readonly classWeights: readonly number[] | null;
}

const SETTINGS: readonly (keyof TrainingSettings)[] = [
  "seed",
  "batching",
  "optimizer",
  "parameterRules",
  "schedule",
  "pruning",
  "profile",
  "teacherCache",
  "distillation",
  "sparseProducts",
  "maxGradNorm",
  "gradientAccumulationSteps",
  "maxTrainSteps",
  "labelSmoothing",
  "classWeights",
];

const DISTILLATION_SETTINGS: readonly (keyof DistillationSettings)[] = [
  "kind",
  "weight",
  "temperature",
  "padding",
];

/** Returns the names of all settings, to suggest one for an unknown key. */
function allNames(): readonly string[] {
  return [
    ...SETTINGS,
    ...OPTIMIZER_SETTINGS.map((key) => `optimizer.${key}`),
    ...SCHEDULE_SETTINGS.map((key) => `schedule.${key}`),
    ...DISTILLATION_SETTINGS.map((key) => `distillation.${key}`),
  ];
}

/** Refuses unknown keys of settings and of the objects in them. Those of `pruning` are checked when it is parsed. */
function checkKeys(name: string, settings: TrainingSettingsOptions): void {
  checkOptions(name, settings, SETTINGS, allNames());
  const { optimizer = {}, schedule = {}, distillation } = settings;
  checkOptions(`${name}.optimizer`, optimizer, OPTIMIZER_SETTINGS);
  checkOptions(`${name}.schedule`, schedule, SCHEDULE_SETTINGS);
  checkOptions(`${name}.distillation`, distillation ?? {}, DISTILLATION_SETTINGS);
}

/** {@link TrainingSettings} with all properties optional. */
export interface TrainingSettingsOptions extends Partial<Omit<TrainingSettings, "optimizer">> {
  readonly optimizer?: Partial<AdamWSettings>;
}

/**
 * Fills in default settings: torch's AdamW without decay at a constant rate of 1e-3, loss against labels, no pruning,
 * every parameter trained, profile `inc`, shuffled batches, one batch for each update, seed 0, and sparse products if they
 * are faster.
 *
 * @example
 * ```ts
 * import { trainingSettings } from "espalier/nn";
 *
 * const settings = trainingSettings({ optimizer: { learningRate: 0.01 } });
 * console.assert(settings.optimizer.learningRate === 0.01 && settings.pruning === null);
 * ```
 */
export function trainingSettings(options: TrainingSettingsOptions = {}): TrainingSettings {
  checkKeys("options", options);
  return {
    seed: 0,
    batching: "shuffled",
    parameterRules: [],
    schedule: { name: "constant", warmupSteps: 0, totalSteps: 0 },
    pruning: null,
    profile: "inc",
    teacherCache: "float32",
    distillation: null,
    sparseProducts: "auto",
    maxGradNorm: null,
    gradientAccumulationSteps: 1,
    maxTrainSteps: null,
    labelSmoothing: 0,
    classWeights: null,
    ...options,
    optimizer: { ...DEFAULT_OPTIMIZER, ...options.optimizer },
  };
}

const DEFAULT_OPTIMIZER: AdamWSettings = Object.freeze({
  flavour: "torch",
  learningRate: 1e-3,
  betas: [0.9, 0.999] as const,
  epsilon: 1e-8,
  weightDecay: 0,
});

/**
 * Checks all settings except those of the optimizer and of pruning.
 *
 * @throws TypeError or RangeError if one is invalid
 */
export function checkTrainingSettings(settings: TrainingSettings): void {
  checkKeys("settings", settings);
  checkInteger("settings.seed", settings.seed);
  checkOneOf("settings.batching", settings.batching, BATCHINGS);
  checkOneOf("settings.teacherCache", settings.teacherCache, ["float32", "float16", "off"]);
  checkOneOf("settings.sparseProducts", settings.sparseProducts, SPARSE_PRODUCTS);
  const { maxGradNorm, maxTrainSteps, classWeights } = settings;
  if (maxGradNorm !== null) checkNumber("settings.maxGradNorm", maxGradNorm, Number.MIN_VALUE);
  checkInteger("settings.gradientAccumulationSteps", settings.gradientAccumulationSteps, 1);
  if (maxTrainSteps !== null) checkInteger("settings.maxTrainSteps", maxTrainSteps, 1);
  checkNumber("settings.labelSmoothing", settings.labelSmoothing, 0, 1);
  if (classWeights !== null) checkClassWeights("settings.classWeights", classWeights);
  learningRateAt(settings.schedule, settings.optimizer.learningRate, 0);
  if (settings.distillation !== null) checkDistillation(settings.distillation);
}

function checkDistillation(distillation: DistillationSettings): void {
  const { kind, weight, temperature = 1 } = distillation;
  checkOneOf("distillation.kind", kind, ["last-hidden-state", "logits"]);
  checkNumber("distillation.weight", weight, 0);
  checkNumber("distillation.temperature", temperature, Number.MIN_VALUE);
  lossPadding(distillation);
}

/** Returns whether a loss includes padded positions. Only distillation of last hidden states can include them. */
export function lossPadding(settings: DistillationSettings | null): Padding {
  if (settings?.kind !== "last-hidden-state") return "excluded";
  const { padding = "included" } = settings;
  checkOneOf("distillation.padding", padding, ["included", "excluded"]);
  return padding;
}

/** Returns forward options that request only the outputs that a loss reads. */
export function lossNeeds(settings: DistillationSettings | null): {
  readonly padding: Padding;
  readonly hiddenStates: boolean;
} {
  return { padding: lossPadding(settings), hiddenStates: settings?.kind === "last-hidden-state" };
}
