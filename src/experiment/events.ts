/** What an experiment reports, as plain data. */
import type { KernelVariant } from "../kernels/table.ts";
import type { Profile } from "../prune/config.ts";
import type { Evaluation, SparsityReport, TrainingEvent } from "../train/events.ts";

/** `dense`: fine-tuning of the teacher. `sparse`: pruning while distilling from it. */
type PhaseKind = "dense" | "sparse";

/** Which phase of which run an event belongs to. */
export interface PhaseId {
  readonly phase: PhaseKind;
  /** The recipe's name; for the dense phase that of the first one. */
  readonly recipe: string;
  /** The pattern, `mixed` for a mixed configuration, `dense` for the dense phase. */
  readonly pattern: string;
  readonly seed: number;
}

export interface PhaseTrainingEvent extends PhaseId {
  readonly type: "training";
  readonly event: TrainingEvent;
}

/** A model's quality and sparsity. */
export interface MeasuredModel {
  readonly evaluation: Evaluation;
  readonly sparsity: SparsityReport | null;
}

/** How a phase ended: the row of a results table. */
export interface PhaseResult extends PhaseId {
  readonly profile: Profile;
  readonly variant: KernelVariant;
  /** The metric that the recipe's table shows. */
  readonly metric: "accuracy" | "f1";
  /** After the last epoch. */
  readonly last: MeasuredModel;
  /** The dense model pruned at once by magnitude to the same patterns and targets, without more training. */
  readonly oneShot: MeasuredModel | null;
}

/** Anything that an experiment reports. */
export type ExperimentEvent =
  | PhaseTrainingEvent
  /** The end of a phase. The experiment's weights are then the phase's. */
  | { readonly type: "result"; readonly result: PhaseResult }
  /** The last event; `completed` is false if the signal ended the experiment early. */
  | { readonly type: "end"; readonly completed: boolean };
