/** The contents of a report as plain data, independent of how the runs were made. */

/** One row of the results table: a pattern over all seeds. */
export interface ResultRow {
  /** The pattern as the configuration writes it, such as `4x1`. */
  readonly pattern: string;
  /** Pruned and all blocks (for N:M, entries of groups) of the pruned layers, means over seeds. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
  /** Zeros over entries: over every linear layer of the model, and over the pruned layers alone. */
  readonly sparsityOverLinear: number;
  readonly sparsityOverPruned: number;
  /** The metric of each seed's dense and sparse model. */
  readonly dense: readonly number[];
  readonly sparse: readonly number[];
  /** The metric of each seed's dense model pruned at once, without further training. */
  readonly withoutFineTuning?: readonly number[];
  /** Wall-clock seconds of the sparse training, mean over seeds. */
  readonly seconds: number;
}

export interface ResultTable {
  /** The metric's name, such as `accuracy` or `F1`. */
  readonly metric: string;
  readonly rows: readonly ResultRow[];
}

interface EpochPoint {
  /** From 1. */
  readonly epoch: number;
  /** Mean training loss of the epoch. */
  readonly loss: number;
  /** The metric on the evaluation examples after the epoch. */
  readonly metric: number;
}

export interface SeedCurve {
  readonly seed: number;
  readonly epochs: readonly EpochPoint[];
}

/** The schedule's target ratio at a step, and the ratio of pruned blocks that was reached. */
export interface SchedulePoint {
  readonly step: number;
  readonly target: number;
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
