/** The contents of a report as plain data, independent of how the runs were made. */

/** One row of the results table: a pattern over all seeds. */
export interface ResultRow {
  /** The pattern as the configuration writes it, such as `4x1`. */
  readonly pattern: string;
  /** Pruned and all blocks (for N:M, entries of groups) of the pruned layers, means over seeds. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
  /** Zeros over entries, counted over every linear layer of the model. */
  readonly sparsityOverLinear: number;
  /** Zeros over entries, counted over the pruned layers alone. */
  readonly sparsityOverPruned: number;
  /** The dense model's metric of each seed. */
  readonly dense: readonly number[];
  /** The sparse model's metric of each seed. */
  readonly sparse: readonly number[];
  /** The metric of each seed's dense model pruned at once, without further training. */
  readonly withoutFineTuning?: readonly number[];
  /** Wall-clock seconds of the sparse training, mean over seeds. */
  readonly seconds: number;
}

/** The results table. */
export interface ResultTable {
  /** The metric's name, such as `accuracy` or `F1`. */
  readonly metric: string;
  readonly rows: readonly ResultRow[];
}

/** One epoch of one run. */
interface EpochPoint {
  /** From 1. */
  readonly epoch: number;
  /** Mean training loss of the epoch. */
  readonly loss: number;
  /** The metric on the evaluation examples after the epoch. */
  readonly metric: number;
}

/** The epochs of one seed. */
export interface SeedCurve {
  readonly seed: number;
  readonly epochs: readonly EpochPoint[];
}

/** The target ratio and the reached one at a step. */
export interface SchedulePoint {
  readonly step: number;
  /** The schedule's target ratio. */
  readonly target: number;
  /** The ratio of pruned blocks reached. */
  readonly reached: number;
}

/** The zeros of one layer at the end. */
export interface LayerSparsity {
  readonly name: string;
  /** Zeros over entries, from 0 to 1. */
  readonly sparsity: number;
  /** Whether a pruner owned the layer. */
  readonly pruned: boolean;
}

/** A layer's mask as a matrix [rows, columns], 1 = kept. */
export interface MaskMatrix {
  readonly layer: string;
  readonly rows: number;
  readonly columns: number;
  /** rows x columns entries in row-major order. */
  readonly mask: Uint8Array;
}

/** The runs of one pattern. */
export interface PatternRun {
  readonly pattern: string;
  /** One curve per seed. */
  readonly curves: readonly SeedCurve[];
  /** The schedule of one seed, in order of steps. */
  readonly schedule: readonly SchedulePoint[];
  readonly layers: readonly LayerSparsity[];
  readonly mask?: MaskMatrix;
}

/** Everything in a report. */
export interface RunReport {
  readonly title: string;
  /** One or two sentences on what was run. */
  readonly summary: string;
  readonly table: ResultTable;
  /** The dense training, one curve per seed. */
  readonly dense: readonly SeedCurve[];
  readonly patterns: readonly PatternRun[];
  /** Names and values of every setting, in reading order. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}
