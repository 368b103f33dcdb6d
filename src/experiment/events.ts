/** What an experiment reports: plain data, like a training run's events. */
import type { KernelVariant } from "../kernels/table.ts";
import type { Profile } from "../prune/config.ts";
import type { Evaluation, SparsityReport, TrainingEvent } from "../train/events.ts";

/** `dense`: plain fine-tuning, the teacher's. `sparse`: pruning while distilling from it. */
export type PhaseKind = "dense" | "sparse";

/** Which phase of which run an event belongs to. */
export interface PhaseId {
  readonly phase: PhaseKind;
  /** Name of the recipe whose phase this is; the dense phase carries the first recipe's name. */
  readonly recipe: string;
  /** The pattern, `mixed` for a mixed configuration, `dense` for the dense phase. */
  readonly pattern: string;
  readonly seed: number;
}

/** An event of a phase's training. */
export interface PhaseTrainingEvent extends PhaseId {
  readonly type: "training";
  readonly event: TrainingEvent;
}

/** A model's quality, and how sparse it is. */
export interface MeasuredModel {
  readonly evaluation: Evaluation;
  readonly sparsity: SparsityReport | null;
}

/** How a phase ended: the row of a results table. */
export interface PhaseResult extends PhaseId {
  readonly profile: Profile;
  readonly variant: KernelVariant;
  /** Which metric of the evaluations the recipe's table shows. */
  readonly metric: "accuracy" | "f1";
  /** After the last epoch. */
  readonly last: MeasuredModel;
  /** The dense model pruned at once by magnitude to the same patterns and targets, not trained further. */
  readonly oneShot: MeasuredModel | null;
}

/** The end of a phase. The experiment's current weights are then the phase's. */
export interface PhaseResultEvent {
  readonly type: "result";
  readonly result: PhaseResult;
}

/** The last event; `completed` is false when the signal ended the experiment early. */
export interface ExperimentEndEvent {
  readonly type: "end";
  readonly completed: boolean;
}

/** Anything that an experiment reports. */
export type ExperimentEvent = PhaseTrainingEvent | PhaseResultEvent | ExperimentEndEvent;
