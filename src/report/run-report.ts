/** Defines the contents of a run's report, as plain data. */

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
  /** The wall-clock time of the sparse phase in seconds, as a mean over seeds. */
  readonly seconds: number;
}

export interface ResultTable {
  /** The name of the metric, such as `accuracy` or `F1`. */
  readonly metric: string;
  readonly rows: readonly ResultRow[];
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

/** The mask of a layer as a row-major matrix [rows, columns], 1 = kept. */
export interface MaskMatrix {
  readonly layer: string;
  readonly rows: number;
  readonly columns: number;
  readonly mask: Uint8Array;
}

export interface PatternRun {
  /** The same as in the table. */
  readonly label: string;
  readonly pattern: string;
  /** The training curves, one for each seed. */
  readonly curves: readonly SeedCurve[];
  /** The points of the first seed's schedule, in the order of steps. */
  readonly schedule: readonly SchedulePoint[];
  readonly layers: readonly LayerSparsity[];
  readonly mask?: MaskMatrix;
}

/** A table of text. Every row has as many cells as the header. */
export interface ReportTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface TitledTable {
  readonly title: string;
  readonly table: ReportTable;
}

export interface RunReport {
  readonly title: string;
  /** One or two sentences that describe the run. */
  readonly summary: string;
  readonly table: ResultTable;
  /** The training curves of the dense phase, one for each seed. */
  readonly dense: readonly SeedCurve[];
  readonly patterns: readonly PatternRun[];
  /** The metrics of the final models; absent if `table` shows all. */
  readonly evaluations?: ReportTable;
  /** Metrics and confusions of the final models by class. */
  readonly classes?: readonly TitledTable[];
  /** All settings of the run as names and values, in the order in which the report shows them. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}
