/** Events of a training run. They are plain data, for messages between workers and for JSON lines. */

/** The number of zeros among `total` elements. */
export interface ZeroCount {
  readonly zeros: number;
  readonly total: number;
}

/** The zeros in one layer's weight. */
export interface LayerSparsity extends ZeroCount {
  readonly name: string;
  /** Whether a pruner owns the layer. */
  readonly pruned: boolean;
}

/** The sparsity of a model at one step, as counts. */
export interface SparsityReport {
  /** The target of each pruner at its last prune step, in configuration order. */
  readonly targets: readonly number[];
  /** Pruned blocks (elements for N:M) in the layers that a pruner owns. */
  readonly prunedBlocks: ZeroCount;
  /** Zeros in the layers that a pruner owns. */
  readonly prunedLayers: ZeroCount;
  /** Zeros in the weights of all linear and convolution layers, including the head. */
  readonly allLayers: ZeroCount;
  /**
   * The number of weights that a mask prunes but that are not zero. Only retrain_free has such weights, until its end
   * step.
   */
  readonly drifted: number;
  /** Every linear and convolution layer, in module order. */
  readonly layers: readonly LayerSparsity[];
}

/** Metrics of a model on a set of rows. */
export interface Evaluation {
  readonly examples: number;
  /** Mean loss against the labels: cross-entropy, or mean squared error for one output. */
  readonly loss: number;
  /** Share of rows whose largest logit belongs to the label; null for regression. */
  readonly accuracy: number | null;
  /** F1 of class 1, as GLUE computes it for MRPC; null unless there are two classes. */
  readonly f1: number | null;
  /** Share of the most frequent label, a baseline for accuracy; null for regression. */
  readonly majority: number | null;
}

/** The first event. `completedSteps` is not 0 in a resumed run. */
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
  /** Number of completed updates; 1 after the first. */
  readonly step: number;
  /** The epoch, counted from 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly learningRate: number;
  /** The largest target of any pruner at its last prune step; null in dense training. */
  readonly targetSparsity: number | null;
  /** Share of elements that masks prune in the layers that a pruner owns; null in dense training. */
  readonly reachedSparsity: number | null;
}

/** After each epoch and its evaluation. */
export interface EpochEvent {
  readonly type: "epoch";
  /** The epoch, counted from 1. */
  readonly epoch: number;
  readonly step: number;
  /** Mean loss over the steps of the epoch. */
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
