/** Events of a training run: plain data that workers can post and programs can write as JSON lines. */

/** Counts of zeros among elements. */
export interface ZeroCount {
  readonly zeros: number;
  readonly total: number;
}

/** Zeros of one layer's weight. */
export interface LayerSparsity extends ZeroCount {
  readonly name: string;
  /** Whether a pruner owns the layer. */
  readonly pruned: boolean;
}

/** Sparsity of a model at one step, with the numbers that the shares refer to. */
export interface SparsityReport {
  /** The target of each pruner at its last prune step, in the order of the configuration. */
  readonly targets: readonly number[];
  /** Blocks (for N:M elements) that the masks prune, over the layers that a pruner owns. */
  readonly prunedBlocks: ZeroCount;
  /** Zeros in the layers that a pruner owns. */
  readonly prunedLayers: ZeroCount;
  /** Zeros in the weights of all linear and convolution layers, with the head. */
  readonly allLayers: ZeroCount;
  /** Weights that a mask prunes but that are not zero. Only retrain_free has such weights, until its end step. */
  readonly drifted: number;
  /** Every linear and convolution layer, in module order. */
  readonly layers: readonly LayerSparsity[];
}

/** Quality on a set of rows. */
export interface Evaluation {
  readonly examples: number;
  /** Mean loss against the labels (cross-entropy; mean squared error for one output). */
  readonly loss: number;
  /** Share of rows whose largest logit is the label's; null for regression. */
  readonly accuracy: number | null;
  /** F1 of class 1, as GLUE computes it for MRPC; null unless there are two classes. */
  readonly f1: number | null;
  /** Share of the most frequent label: the accuracy of always answering it; null for regression. */
  readonly majority: number | null;
}

/** The first event. After a resume `completedSteps` is not 0. */
export interface StartEvent {
  readonly type: "start";
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly completedSteps: number;
  /** Names of the layers that pruners own, in module order; empty in dense training. */
  readonly prunedLayers: readonly string[];
}

/** After each optimizer update. */
export interface StepEvent {
  readonly type: "step";
  /** Updates completed; 1 after the first. */
  readonly step: number;
  /** 1 is the first epoch. */
  readonly epoch: number;
  readonly loss: number;
  /** The learning rate of this update. */
  readonly learningRate: number;
  /** Largest target of all pruners at their last prune step; null in dense training. */
  readonly targetSparsity: number | null;
  /** Share of elements that the masks prune, over the layers that a pruner owns; null in dense training. */
  readonly reachedSparsity: number | null;
}

/** After each epoch and its evaluation. */
export interface EpochEvent {
  readonly type: "epoch";
  /** 1 is the first epoch. */
  readonly epoch: number;
  readonly step: number;
  /** Mean loss of the steps of the epoch. */
  readonly trainingLoss: number;
  /** Null without evaluation rows. */
  readonly evaluation: Evaluation | null;
  /** Null in dense training. */
  readonly sparsity: SparsityReport | null;
}

/** The last event. `completed` is false if the signal ended the run early. */
export interface EndEvent {
  readonly type: "end";
  readonly step: number;
  readonly completed: boolean;
}

/** Any event of a training run. */
export type TrainingEvent = StartEvent | StepEvent | EpochEvent | EndEvent;
