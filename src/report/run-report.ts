/** Defines the contents of a run's report, as plain data. */

import type { ClassMetrics } from "../train/metrics/classification.ts";

/** A row of the results table: the results for one pattern over all seeds. */
export interface ResultRow {
  /** The pattern, with the name of the recipe if several have the same pattern. */
  readonly label: string;
  /** The pattern as it is written in configurations, such as `4x1`. */
  readonly pattern: string;
  /** The numbers of pruned blocks and of all blocks in the pruned layers (elements for N:M), as means over seeds. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
  /** The share of zeros in all linear layers of the model, and in the pruned layers only, as means over seeds. */
  readonly sparsityOverLinear: number;
  readonly sparsityOverPruned: number;
  /** The metrics of the dense models and of the sparse models, one for each seed. */
  readonly dense: readonly number[];
  readonly sparse: readonly number[];
  /** The metrics of the dense models after one-shot pruning without further training, one for each seed. */
  readonly withoutFineTuning?: readonly number[];
  /** The mean wall-clock time of the sparse phase in seconds over seeds. */
  readonly seconds: number;
}

export interface ResultTable {
  /** The name of the metric, such as `accuracy` or `F1`. */
  readonly metric: string;
  readonly rows: readonly ResultRow[];
}

/** A row of the first table: the final models of the dense phase, or those of one pattern. */
export interface ModelRow {
  /** `dense`, or the pattern as in the table of results. */
  readonly label: string;
  /** The metric of the final model, one for each seed. */
  readonly metric: readonly number[];
  /** The share of zeros in all linear layers, as a mean over the seeds; null for dense models. */
  readonly zeros: number | null;
  /** The bytes of the file of weights and of the same file packed, which is null for dense models. */
  readonly bytes?: { readonly plain: number; readonly packed: number | null };
  readonly rowsPerSecond?: number;
}

/** The loss that a phase minimises. */
export interface LossName {
  readonly name: string;
  /** What the loss is, if its name does not say it. */
  readonly meaning?: string;
}

interface EpochPoint {
  /** The number of the epoch, counted from 1. */
  readonly epoch: number;
  readonly loss: number;
  /** The metric on the evaluation set after the epoch. */
  readonly metric: number;
}

export interface SeedCurve {
  readonly seed: number;
  readonly epochs: readonly EpochPoint[];
}

/** The target ratio of the schedule (`target`) and the actual ratio of pruned blocks (`reached`) at one step. */
export interface SchedulePoint {
  readonly step: number;
  readonly target: number;
  readonly reached: number;
}

export interface LayerSparsity {
  readonly name: string;
  /** The share of zeros in the layer's weight, from 0 to 1. */
  readonly sparsity: number;
  /** Whether a pruner selected the layer. */
  readonly pruned: boolean;
}

/** The heads of attention layers (1 for each kept one), and the channels that layers keep. */
export interface NarrowRun {
  readonly attentions: readonly { readonly name: string; readonly heads: readonly number[] }[];
  readonly channels: readonly {
    readonly name: string;
    readonly kept: number;
    readonly total: number;
  }[];
}

/** The mask of a layer as a row-major matrix [rows, columns], 1 = kept. */
export interface MaskMatrix {
  readonly layer: string;
  readonly rows: number;
  readonly columns: number;
  readonly mask: Uint8Array;
}

/** The metrics of a final model by class, and its confusion matrix. */
export interface ClassResults {
  /** The name of each class, in the order of the metrics. */
  readonly names: readonly string[];
  readonly perClass: readonly ClassMetrics[];
  /** Number of rows by label and prediction; null if a row may have several labels. */
  readonly confusion: readonly (readonly number[])[] | null;
}

/** An evaluation row with a wrong prediction. */
export interface RowError {
  readonly text: string;
  readonly textPair: string | null;
  readonly label: string;
  readonly predicted: string;
  /** How wrong the prediction is, such as the probability of the predicted label. */
  readonly degree: string;
  /** The prediction of the dense model, for a sparse one. */
  readonly dense?: string;
}

/** How a final model does on the evaluation rows. */
export interface FinalModel {
  readonly seed: number;
  /** Absent for regression. */
  readonly results?: ClassResults;
  /** The value and the prediction of each row, for regression of one value. */
  readonly values?: readonly (readonly [value: number, predicted: number])[];
  /** The largest errors, worst first. */
  readonly errors?: readonly RowError[];
}

export interface PatternRun {
  /** The same as in the table. */
  readonly label: string;
  readonly pattern: string;
  readonly loss: LossName;
  /** The training curves, one for each seed. */
  readonly curves: readonly SeedCurve[];
  /** The points of the first seed's schedule, in the order of steps. */
  readonly schedule: readonly SchedulePoint[];
  readonly layers: readonly LayerSparsity[];
  /** The heads and channels that are left, if whole ones are pruned. */
  readonly narrow?: NarrowRun;
  readonly mask?: MaskMatrix;
  /** The final model of the first seed. */
  readonly final?: FinalModel;
}

/** A table of text. Every row has as many cells as the header. */
export interface ReportTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface RunReport {
  readonly title: string;
  /** One or two sentences that describe the run. */
  readonly summary: string;
  /** What a reader must know first, such as an interruption. */
  readonly notices?: readonly string[];
  readonly table: ResultTable;
  /** The dense models, then those of each pattern that every started seed has. */
  readonly models: readonly ModelRow[];
  /** States how speed and sizes were measured. */
  readonly measurement?: string;
  readonly denseLoss: LossName;
  /** The training curves of the dense phase, one for each seed. */
  readonly dense: readonly SeedCurve[];
  /** The final dense model of the first seed. */
  readonly denseFinal?: FinalModel;
  readonly patterns: readonly PatternRun[];
  /** The metrics of the final models; absent if `table` shows all. */
  readonly evaluations?: ReportTable;
  /** All settings of the run as names and values, in the order in which the report shows them. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}
