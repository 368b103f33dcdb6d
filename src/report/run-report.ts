/** The contents of a report as plain data. */

/** A row of the results table: one pattern, over all seeds. */
export interface ResultRow {
  /** The pattern in the configuration's spelling, such as `4x1`. */
  readonly pattern: string;
  /** Pruned blocks and all blocks (elements for N:M) of the pruned layers, as means over seeds. */
  readonly prunedBlocks: number;
  readonly totalBlocks: number;
  /** Share of zeros in all linear layers of the model, and in the pruned layers alone. */
  readonly sparsityOverLinear: number;
  readonly sparsityOverPruned: number;
  /** The metric of each seed's dense and sparse model. */
  readonly dense: readonly number[];
  readonly sparse: readonly number[];
  /** The metric of each seed's dense model after one-shot pruning without further training. */
  readonly withoutFineTuning?: readonly number[];
  /** Wall-clock seconds of the sparse training, as a mean over seeds. */
  readonly seconds: number;
}

export interface ResultTable {
  /** The metric's name, such as `accuracy` or `F1`. */
  readonly metric: string;
  readonly rows: readonly ResultRow[];
}

interface EpochPoint {
  /** Counted from 1. */
  readonly epoch: number;
  readonly loss: number;
  /** The metric on the evaluation examples after the epoch. */
  readonly metric: number;
}

export interface SeedCurve {
  readonly seed: number;
  readonly epochs: readonly EpochPoint[];
}

/** At one step, the target ratio of the schedule and the ratio of pruned blocks. */
export interface SchedulePoint {
  readonly step: number;
  readonly target: number;
  readonly reached: number;
}

export interface LayerSparsity {
  readonly name: string;
  /** Share of zeros, from 0 to 1. */
  readonly sparsity: number;
  /** Whether a pruner owns the layer. */
  readonly pruned: boolean;
}

/** A layer's mask as a matrix [rows, columns], 1 = kept. */
export interface MaskMatrix {
  readonly layer: string;
  readonly rows: number;
  readonly columns: number;
  readonly mask: Uint8Array;
}

export interface PatternRun {
  readonly pattern: string;
  /** One curve for each seed. */
  readonly curves: readonly SeedCurve[];
  /** The schedule of one seed, in step order. */
  readonly schedule: readonly SchedulePoint[];
  readonly layers: readonly LayerSparsity[];
  readonly mask?: MaskMatrix;
}

export interface RunReport {
  readonly title: string;
  /** One or two sentences that say what was run. */
  readonly summary: string;
  readonly table: ResultTable;
  /** The curves of the dense training, one for each seed. */
  readonly dense: readonly SeedCurve[];
  readonly patterns: readonly PatternRun[];
  /** Every setting by name, in reading order. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}
