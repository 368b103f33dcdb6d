/** What a training run does, as plain data: it is written into snapshots and compared on resuming. */
import type { Padding } from "../model/token-rows.ts";
import type { Profile } from "../prune/config.ts";
import type { Batching } from "./batches.ts";
import type { AdamWSettings, ParameterRule } from "./optimizer.ts";
import type { LearningRateSchedule } from "./schedule.ts";
import type { SparseProductsSetting } from "./sparse-switch.ts";
import type { TeacherPrecision } from "./teacher-cache.ts";

/** How the student learns from a teacher. */
export interface DistillationSettings {
  /**
   * `last-hidden-state`: mean squared error of the last hidden states and nothing else (the example script).
   * `logits`: Kullback-Leibler divergence at a temperature, times its square.
   */
  readonly kind: "last-hidden-state" | "logits";
  readonly weight: number;
  /** For `logits`; default 2. */
  readonly temperature?: number;
  /**
   * For `last-hidden-state`: whether the mean runs over padded positions too, as the example script has it, or
   * over tokens alone, where padding need not be computed. Default `included`.
   */
  readonly padding?: Padding;
}

/** Settings of one training phase. */
export interface TrainingSettings {
  /** Seed of shuffling and dropout. */
  readonly seed: number;
  /** How an epoch's batches are put together. */
  readonly batching: Batching;
  readonly optimizer: AdamWSettings;
  /** Which parameters decay and which are never updated; the first rule that matches a name holds. */
  readonly parameterRules: readonly ParameterRule[];
  readonly schedule: LearningRateSchedule;
  /** A pruning configuration in INC's keys, or null for dense training. */
  readonly pruning: unknown;
  readonly profile: Profile;
  /**
   * How a teacher's results are kept from epoch to epoch: `float32` changes no bit, `float16` rounds them, `off`
   * computes them for every batch.
   */
  readonly teacherCache: TeacherPrecision | "off";
  /** Null: the loss is that against the labels. */
  readonly distillation: DistillationSettings | null;
  /** Whether weights pruned to blocks of four outputs are multiplied in compressed form. */
  readonly sparseProducts: SparseProductsSetting;
}

/** {@link TrainingSettings} with what is usually left alone left out. */
export interface TrainingSettingsOptions extends Partial<Omit<TrainingSettings, "optimizer">> {
  readonly optimizer?: Partial<AdamWSettings>;
}

/**
 * Training settings with defaults: torch's AdamW as it comes (but no decay) at a constant rate of 1e-3,
 * loss against the labels, no pruning, every parameter trained, profile `inc`, shuffled batches, seed 0; pruned weights
 * are multiplied in compressed form where that is faster.
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
