/** The events of an experiment, as plain data. */
import type { KernelVariant } from "../kernels/table.ts";
import type { Profile } from "../prune/config.ts";
import type { Evaluation, SparsityReport, TrainingEvent } from "../train/events.ts";

/** `dense`: fine-tuning of the teacher. `sparse`: pruning while distilling from it. */
type PhaseKind = "dense" | "sparse";

/** Identifies the phase of a run. */
export interface PhaseId {
  readonly phase: PhaseKind;
  /** The recipe's name. The dense phase has the name of the first recipe. */
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

/** The result of a phase, for one row of the results table. */
export interface PhaseResult extends PhaseId {
  readonly profile: Profile;
  readonly variant: KernelVariant;
  /** The metric that the results table shows. */
  readonly metric: "accuracy" | "f1";
  /** The model after the last epoch. */
  readonly last: MeasuredModel;
  /** The dense model pruned in one step by magnitude to the same patterns and targets, without fine-tuning. */
  readonly oneShot: MeasuredModel | null;
}

/** Any event of an experiment. */
export type ExperimentEvent =
  | PhaseTrainingEvent
  /** A phase has ended. The experiment's weights are now those of its model. */
  | { readonly type: "result"; readonly result: PhaseResult }
  /** The last event; `completed` is false if the signal ended the experiment early. */
  | { readonly type: "end"; readonly completed: boolean };
