/** Defines the events that an experiment yields, as plain data. */
import type { MetricName } from "../core/metric-names.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { Profile } from "../prune/config.ts";
import type { Evaluation, SparsityReport, TrainingEvent } from "../train/events.ts";

/** `dense` fine-tunes the dense model; `sparse` prunes it, usually with distillation from a teacher. */
type PhaseKind = "dense" | "sparse";

/** Identifies a phase of an experiment. */
export interface PhaseId {
  readonly phase: PhaseKind;
  /** The name of the recipe. For the dense phase it is the name of the first recipe. */
  readonly recipe: string;
  /** The pruning pattern; `mixed` for pruners with different patterns; `dense` for the dense phase. */
  readonly pattern: string;
  readonly seed: number;
}

export interface PhaseTrainingEvent extends PhaseId {
  readonly type: "training";
  readonly event: TrainingEvent;
  /** After an epoch of a phase that compares its models: whether its model is the best so far. */
  readonly isBest?: boolean;
}

/** The evaluation and the sparsity of a model. */
export interface MeasuredModel {
  readonly evaluation: Evaluation;
  readonly sparsity: SparsityReport | null;
}

/** The result of a phase, for one row of the results table. */
export interface PhaseResult extends PhaseId {
  readonly profile: Profile;
  readonly variant: KernelVariant;
  /** The metric that the results table shows. */
  readonly metric: MetricName;
  /** The model after the last epoch, or the best one if it is saved. */
  readonly last: MeasuredModel;
  /** The epoch of the best model, counted from 1, if it is saved. */
  readonly bestEpoch?: number;
  /**
   * The baseline of a sparse phase: the dense model, pruned in one step by magnitude to the same patterns and targets,
   * without fine-tuning. Null for the dense phase, or if the dense model cannot be pruned in one step.
   */
  readonly oneShot: MeasuredModel | null;
  /** The evaluations of the last model on the plan's `finalRows`, by name. */
  readonly final?: Readonly<Record<string, Evaluation>>;
}

/** Any event of an experiment. */
export type ExperimentEvent =
  | PhaseTrainingEvent
  /** A phase has ended. `weights()` of the experiment now returns the weights of the phase's final model. */
  | { readonly type: "result"; readonly result: PhaseResult }
  /**
   * The last event. `completed` is false if the abort signal ended the experiment early, or if a phase diverged;
   * `diverged` then describes the divergence.
   */
  | { readonly type: "end"; readonly completed: boolean; readonly diverged: string | null };
