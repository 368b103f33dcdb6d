/** The pruning state during training: the layers and counters of each pruner (INC: the attributes of `BasePruner`). */
import type { PatternPrunerConfig, Profile } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import type { PruneEvent } from "../prune/state.ts";
import { accumulates, scoresByBlockMask } from "./criteria.ts";
import { type Layout, layoutOf } from "./layout.ts";
import { lockedMask } from "./lock.ts";
import { at, inWeightOrder, type Matrix, matrixOf, weightMatrix } from "./matrix.ts";
import { partsOf } from "./progressive.ts";
import { plannedPruneSteps } from "./schedule.ts";

/**
 * The state of one layer in one pruner. Masks have 1 for each kept element and are in the weight's order. Scores are in
 * matrix order.
 */
export interface ReferenceState {
  readonly name: string;
  readonly shape: readonly number[];
  readonly layout: Layout;
  readonly mask: Uint8Array;
  /** One score per block or per element. `null` before the first scores are computed. */
  readonly scores: Matrix | null;
  /** Whether there is one score per element, not one per block. */
  readonly elementwise: boolean;
  readonly frozen: boolean;
  /** Group lasso: the share by which each block shrinks. */
  readonly lasso: Matrix | null;
  /** For the criterion `retrain_free`, the gradients of the block mask at each step. */
  readonly collected: readonly Matrix[];
  /** Progressive pruning: the mask before the latest prune step, and the interpolated mask. */
  readonly before: Uint8Array;
  readonly applied: Uint8Array;
}

/** The state of one pruner. */
export interface ReferencePruner {
  readonly config: PatternPrunerConfig;
  readonly profile: Profile;
  readonly layers: readonly ReferenceState[];
  readonly step: number;
  readonly completedPruneSteps: number;
  readonly totalPruneSteps: number;
  readonly initialSparsity: number;
  readonly currentSparsity: number;
  readonly lastPruneStep: number;
  readonly aligned: boolean;
  readonly lastEvent: PruneEvent | null;
}

/** Weights, or values of the same shapes such as gradients, by layer name. */
export type Weights = ReadonlyMap<string, Float32Array>;

/** Whether masks are interpolated between prune steps. */
export function interpolates({ config }: ReferencePruner): boolean {
  return partsOf(config, "inc").interpolates;
}

/**
 * The layout of a layer's blocks. Under `inc`, only linear layers have block masks. If the criterion scores block
 * masks, a layer without a block mask is treated as not divisible into blocks.
 */
export function pruningLayout(
  { pattern, criterion }: PatternPrunerConfig,
  { kind, shape }: LayerRecord,
  profile: Profile,
): Layout {
  const layout = layoutOf(pattern, shape);
  const masked = !scoresByBlockMask(criterion) || profile === "strict" || kind === "linear";
  return { ...layout, divides: layout.divides && masked };
}

/** Creates the initial state of a layer. INC initialises block masks from the zeros in the weight. */
function initialLayer(
  config: PatternPrunerConfig,
  layer: LayerRecord,
  profile: Profile,
): ReferenceState {
  const { name, shape, data } = layer;
  const { pattern, criterion, method } = config;
  const layout = pruningLayout(config, layer, profile);
  const ones = new Uint8Array(data.length).fill(1);
  const byMask = scoresByBlockMask(criterion);
  const weight = weightMatrix(data, shape);
  const mask =
    byMask && profile === "inc"
      ? inWeightOrder(lockedMask(pattern, layout, weight, "inc"), shape)
      : ones;
  const elementwise = pattern.kind === "group" || !layout.divides;
  const remembers = byMask ? layout.divides : accumulates(criterion) && method !== "pattern_lock";
  const [rows, columns] = elementwise ? weight.shape : [layout.rows, layout.columns];
  return {
    name,
    shape,
    layout,
    mask,
    scores: remembers ? matrixOf(rows, columns, () => 0) : null,
    elementwise,
    frozen: false,
    lasso: null,
    collected: [],
    before: ones,
    applied: ones,
  };
}

/** Creates the initial state of a pruner. */
export function initialPruner(
  config: PatternPrunerConfig,
  layers: readonly LayerRecord[],
  profile: Profile,
): ReferencePruner {
  const { total, completed } = plannedPruneSteps(config);
  return {
    config,
    profile,
    layers: layers.map((layer) => initialLayer(config, layer, profile)),
    step: 0,
    completedPruneSteps: completed,
    totalPruneSteps: total,
    initialSparsity: 0,
    currentSparsity: 0,
    lastPruneStep: 0,
    aligned: false,
    lastEvent: null,
  };
}

/**
 * Expands the scores of a layer to one score per element, in matrix order (INC: `update_progressive_masks`). Returns
 * zeros if the layer has no scores yet.
 */
export function elementwiseScores({ scores, elementwise, layout, shape }: ReferenceState): Matrix {
  if (scores !== null && elementwise) return scores;
  const columns = shape.slice(1).reduce((product, extent) => product * extent, 1);
  return matrixOf(shape[0], columns, (row, column) =>
    scores === null
      ? 0
      : at(scores, Math.floor(row / layout.height), Math.floor(column / layout.width)),
  );
}
