/**
 * What a training run reports. Events are plain data without functions or views, so that a worker can
 * post them and a program can write them as JSON lines.
 */

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

/** Sparsity of a model at one moment, with stated denominators. */
export interface SparsityReport {
  /** The schedule's target of each pruner at its last prune step, in the configuration's order. */
  readonly targets: readonly number[];
  /** Blocks (N:M: groups' elements) that the masks prune, over the layers that a pruner owns. */
  readonly prunedBlocks: ZeroCount;
  /** Zero elements over the layers that a pruner owns. */
  readonly prunedLayers: ZeroCount;
  /** Zero elements over the weights of all linear and convolution layers, head included. */
  readonly allLayers: ZeroCount;
  /**
   * Weights that a mask prunes and that are not zero: none where zeros stay zero. Only retrain_free leaves weights as
   * they are until its end step.
   */
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

/** The first event: the run's length. After a resume the completed steps are not 0. */
export interface StartEvent {
  readonly type: "start";
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly completedSteps: number;
  /** Names of the layers that pruners own, in module order; empty when dense. */
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
  /** The rate that this update used. */
  readonly learningRate: number;
  /** Largest target of the pruners at their last prune step; null when dense. */
  readonly targetSparsity: number | null;
  /** Zero elements over the layers that a pruner owns, as a share, from the masks; null when dense. */
  readonly reachedSparsity: number | null;
}

/** After each epoch, evaluation included. */
export interface EpochEvent {
  readonly type: "epoch";
  /** 1 is the first epoch. */
  readonly epoch: number;
  readonly step: number;
  /** Mean of the steps' losses over the epoch. */
  readonly trainingLoss: number;
  /** Null where no evaluation rows were given. */
  readonly evaluation: Evaluation | null;
  /** Null when dense. */
  readonly sparsity: SparsityReport | null;
}

/** The last event. `completed` is false when the signal ended the run early, at a step's boundary. */
export interface EndEvent {
  readonly type: "end";
  readonly step: number;
  readonly completed: boolean;
}

/** Anything that a training run reports. */
export type TrainingEvent = StartEvent | StepEvent | EpochEvent | EndEvent;
