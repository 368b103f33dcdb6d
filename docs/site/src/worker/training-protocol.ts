/** What the page and the worker say to each other about training. All of it is plain data. */
import type { GivenFile, OpenedCheckpoint, Variant } from "./protocol.ts";

/** The options of the command `finetune` that the page offers. Null: the recipe's. */
export interface TrainingSettings {
  readonly pattern: string;
  readonly targetSparsity: number | null;
  readonly denseEpochs: number | null;
  readonly epochs: number | null;
  readonly batchSize: number | null;
  readonly profile: "strict" | "inc";
  readonly seed: number;
  readonly variant: Variant;
}

/** The visitor's rows and the model to start from. */
export interface OwnRows {
  readonly rows: GivenFile;
  readonly validationRows: GivenFile | null;
  /** The files of the model's folder. Empty: random weights, and a vocabulary from the rows. */
  readonly model: readonly GivenFile[];
}

export interface TrainRequest {
  readonly settings: TrainingSettings;
  /** Null: the generated task. */
  readonly own: OwnRows | null;
}

/** An optimizer update. Both sparsities are null in dense phases. */
export interface TrainingPoint {
  /** The number of updates of all phases so far. */
  readonly step: number;
  readonly loss: number;
  readonly target: number | null;
  readonly reached: number | null;
}

export interface TrainingEpoch {
  readonly step: number;
  readonly phase: "dense" | "sparse";
  readonly pattern: string;
  readonly epoch: number;
  readonly loss: number;
  /** The metric of the task by its name in metrics.jsonl; null without validation rows. */
  readonly metric: string;
  readonly value: number | null;
  readonly sparsity: number | null;
}

/** A model that a phase has made. */
export interface TrainedModel {
  /** The name of its directory, such as `dense` and `sparse`. */
  readonly name: string;
  readonly bytes: number;
}

/** A layer of the model that is trained, after an epoch. */
export interface TrainedLayer {
  readonly name: string;
  readonly tensor: string;
  readonly shape: readonly number[];
  readonly zeros: number;
  readonly elements: number;
}

/** What a run has told so far. */
export interface TrainingHistory {
  /** The number of updates that the run has in all; 0 before the first. */
  readonly total: number;
  readonly points: readonly TrainingPoint[];
  readonly epochs: readonly TrainingEpoch[];
}

export type TrainingNews =
  /** The run begins, or goes on after what the history has. */
  | {
      readonly kind: "begin";
      readonly notices: readonly string[];
      readonly history: TrainingHistory;
    }
  | { readonly kind: "points"; readonly points: readonly TrainingPoint[]; readonly total: number }
  | { readonly kind: "epoch"; readonly epoch: TrainingEpoch }
  /** The weights after an epoch, which can be looked at. */
  | {
      readonly kind: "weights";
      readonly opened: OpenedCheckpoint;
      readonly layers: readonly TrainedLayer[];
    }
  | { readonly kind: "model"; readonly model: TrainedModel }
  /** The state is saved for a reload, or is not, for a reason in words. */
  | { readonly kind: "saved"; readonly step: number }
  | { readonly kind: "unsaved"; readonly reason: string };

/** How a run ended. */
export interface TrainingEnd {
  readonly completed: boolean;
  readonly isPaused: boolean;
  /** Why training diverged; null if it did not. */
  readonly diverged: string | null;
  readonly models: readonly TrainedModel[];
}

/** A run that can go on. */
export interface SavedTraining {
  readonly settings: TrainingSettings;
  /** The name of the file of rows; null for the generated task. */
  readonly rows: string | null;
  readonly step: number;
  readonly total: number;
}
