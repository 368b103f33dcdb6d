/** Events of a training run. They are plain data, which can be posted between workers or written as JSON lines. */

import type { MetricName } from "../core/metric-names.ts";
import type { ClassMetrics } from "./metrics/classification.ts";

/** The number of zeros among `total` elements. */
export interface ZeroCount {
  readonly zeros: number;
  readonly total: number;
}

/** The number of zeros in one layer's weight. */
export interface LayerSparsity extends ZeroCount {
  readonly name: string;
  /** Whether a pruner owns the layer. */
  readonly pruned: boolean;
}

/** What layers keep of their heads and input columns, if pruners remove whole ones. */
export interface NarrowLayers {
  /** The heads of each attention layer: 1 for each kept and 0 for each pruned one. */
  readonly attentions: readonly { readonly name: string; readonly heads: readonly number[] }[];
  /** The input columns that layers with the pattern `channelx1` keep. */
  readonly channels: readonly {
    readonly name: string;
    readonly kept: number;
    readonly total: number;
  }[];
}

/** The sparsity of a model at one step, as counts of zeros. */
export interface SparsityReport {
  /** The target ratio of each pruner at its latest prune step, or 0 before the first; in configuration order. */
  readonly targets: readonly number[];
  /** The number of pruned blocks in the layers that pruners own. An N:M pattern counts weights instead of blocks. */
  readonly prunedBlocks: ZeroCount;
  /** The number of zeros in the weights of the layers that pruners own. */
  readonly prunedLayers: ZeroCount;
  /** The number of zeros in the weights of all linear and convolution layers, including the head. */
  readonly allLayers: ZeroCount;
  /**
   * The number of weights that a mask prunes but that are not zero. They occur only with the criterion `retrain_free`,
   * until its end step.
   */
  readonly drifted: number;
  /** Every linear and convolution layer, in module order. */
  readonly layers: readonly LayerSparsity[];
  /** Absent if no pruner removes whole heads or columns. */
  readonly narrow?: NarrowLayers;
}

/**
 * Metrics of a model on a set of rows. Those that do not belong to the kind of problem are null, and so are correlations
 * of constant values.
 */
export interface Evaluation extends Readonly<Record<MetricName, number | null>> {
  readonly examples: number;
  /** Mean loss against the labels: cross-entropy, or mean squared error for one output. */
  readonly loss: number;
  /** Share of rows predicted exactly: the label has the largest logit, or every one of several labels is right. */
  readonly accuracy: number | null;
  /** F1 of class 1, as GLUE computes it for MRPC; null unless there are two classes. */
  readonly f1: number | null;
  /** Share of rows with the most frequent label, a baseline for accuracy; null for regression. */
  readonly majority: number | null;
  /** The metrics of each class or label; null for regression. */
  readonly perClass: readonly ClassMetrics[] | null;
  /** Number of rows by label and prediction, in the order of `perClass`; null unless each row has one class. */
  readonly confusion: readonly (readonly number[])[] | null;
}

/** The first event of a run. `completedSteps` is 0, unless the run continues from a snapshot. */
export interface StartEvent {
  readonly type: "start";
  readonly epochs: number;
  /** The number of updates in a whole epoch. */
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly completedSteps: number;
  /** Names of the layers that pruners own, in module order; empty in dense training. */
  readonly prunedLayers: readonly string[];
}

/** Emitted after each optimizer update. */
export interface StepEvent {
  readonly type: "step";
  /** The number of completed updates: 1 in the first event. */
  readonly step: number;
  /** The epoch, counted from 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly learningRate: number;
  /** The largest of the pruners' target ratios, each at the latest prune step; null in dense training. */
  readonly targetSparsity: number | null;
  /** The share of weights that masks prune, in the layers that pruners own; null in dense training. */
  readonly reachedSparsity: number | null;
}

/** Emitted after each epoch and its evaluation. */
export interface EpochEvent {
  readonly type: "epoch";
  /** The epoch, counted from 1. */
  readonly epoch: number;
  readonly step: number;
  /** Mean loss over the steps of the epoch. */
  readonly trainingLoss: number;
  /** Metrics on the evaluation rows; null if there are no such rows, or if this epoch is not evaluated. */
  readonly evaluation: Evaluation | null;
  /** The sparsity after the epoch; null in dense training. */
  readonly sparsity: SparsityReport | null;
}

/** The last event of a run. `completed` is false if the abort signal stopped the run early, or if it diverged. */
export interface EndEvent {
  readonly type: "end";
  readonly step: number;
  readonly completed: boolean;
  /** "training diverged at step N: ..." if a weight, a logit or the loss was not finite; otherwise null. */
  readonly diverged: string | null;
}

/** Any event of a training run. */
export type TrainingEvent = StartEvent | StepEvent | EpochEvent | EndEvent;
