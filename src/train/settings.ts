/** What a training run does, as plain data: it is written into checkpoints and compared on resuming. */
import type { Profile } from "../prune/config.ts";
import type { AdamWSettings, ParameterRule } from "./optimizer.ts";
import type { LearningRateSchedule } from "./schedule.ts";

/** How the student learns from a teacher. */
export interface DistillationSettings {
  /**
   * `last-hidden-state`: mean squared error of the last hidden states, padding included, and nothing else
   * (the example script). `logits`: Kullback-Leibler divergence at a temperature, times its square.
   */
  readonly kind: "last-hidden-state" | "logits";
  readonly weight: number;
  /** For `logits`; default 2. */
  readonly temperature?: number;
}

/** Settings of one training phase. */
export interface TrainingSettings {
  /** Seed of shuffling and dropout. */
  readonly seed: number;
  readonly optimizer: AdamWSettings;
  /** Which parameters decay and which are never updated; the first rule that matches a name holds. */
  readonly parameterRules: readonly ParameterRule[];
  readonly schedule: LearningRateSchedule;
  /** A pruning configuration in INC's keys, or null for dense training. */
  readonly pruning: unknown;
  readonly profile: Profile;
  /** Null: the loss is that against the labels. */
  readonly distillation: DistillationSettings | null;
}
