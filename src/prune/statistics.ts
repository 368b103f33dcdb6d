/** The sparsity of a model, as INC reports it and as counted in the weights. */
import { checkInteger } from "../core/checks.ts";
import { sumOf } from "../core/sum.ts";
import { countPruner, countZeros, incKeptLimit, keptLimit } from "./count.ts";
import { checkRecordList, type LayerRecord } from "./layer.ts";
import { formatPattern, perElement } from "./pattern.ts";
import { checkState, ownedLayers, type PrunerState, type PruningState } from "./state.ts";

/** A share with its numerator and denominator. `ratio` is 0 if `total` is 0. */
export interface Share {
  readonly zeros: number;
  readonly total: number;
  readonly ratio: number;
}

/** The three sparsity figures that INC reports (`get_sparsity_ratio`). They count zeros in masks, not in weights. */
interface IncSparsity {
  /** Masked elements divided by the number of weights in all linear and convolution layers, including the head. */
  readonly elementwiseOverLinearConv: number;
  /** Masked elements divided by the number of all parameters. */
  readonly elementwiseOverAll: number;
  /**
   * For each pruner, its number of elements times its share of pruned blocks. The sum is divided by the number of
   * weights in linear and convolution layers.
   */
  readonly blockwiseOverLinearConv: number;
}

/** The sparsity of one pruner, in blocks (groups for N:M). */
interface PrunerSparsity {
  readonly pattern: string;
  readonly layers: number;
  /** Fully pruned blocks. For N:M, groups with at least N pruned elements. */
  readonly blocks: Share;
}

/** The sparsity of a model. `prunedLayers`, `linearConv` and `allWeights` count zeros in the weights. */
export interface SparsityStatistics {
  readonly inc: IncSparsity;
  /** The zeros in the layers of all pruners. */
  readonly prunedLayers: Share;
  /** The zeros in all linear and convolution layers. */
  readonly linearConv: Share;
  /** The zeros in all layer records. */
  readonly allWeights: Share;
  readonly pruners: readonly PrunerSparsity[];
}

function shareOf(zeros: number, total: number): Share {
  return { zeros, total, ratio: total === 0 ? 0 : zeros / total };
}

function isLinearOrConvolution({ kind }: LayerRecord): boolean {
  return kind === "linear" || kind === "conv1d" || kind === "conv2d";
}

/** A layer with the number of zeros in its weight, so that they are counted only once. */
interface CountedLayer extends LayerRecord {
  readonly zeros: number;
}

function weightShare(layers: readonly CountedLayer[]): Share {
  const total = sumOf(layers, ({ data }) => data.length);
  return shareOf(
    sumOf(layers, ({ zeros }) => zeros),
    total,
  );
}

function prunerBlocks(pruner: PrunerState, limit: number): Share {
  const { pruned, total } = countPruner(pruner, limit);
  return shareOf(pruned, total);
}

/** Computes INC's figures. A layer that belongs to two pruners counts twice. */
function incSparsity(
  state: PruningState,
  layers: readonly LayerRecord[],
  parameterCount: number,
): IncSparsity {
  let masked = 0;
  let blockwise = 0;
  for (const pruner of state.pruners) {
    const { pattern } = pruner.config;
    const share = perElement(pattern, prunerBlocks(pruner, incKeptLimit(pattern)).ratio);
    const elements = sumOf(pruner.layers, ({ mask }) => mask.length);
    blockwise += Math.trunc(elements * share);
    masked += sumOf(pruner.layers, ({ mask }) => countZeros(mask));
  }
  const linearConv = sumOf(layers.filter(isLinearOrConvolution), ({ data }) => data.length);
  return {
    elementwiseOverLinearConv: shareOf(masked, linearConv).ratio,
    elementwiseOverAll: shareOf(masked, parameterCount).ratio,
    blockwiseOverLinearConv: shareOf(blockwise, linearConv).ratio,
  };
}

/**
 * Computes the sparsity of a model.
 *
 * @param layers all records, in module order.
 * @param parameterCount the number of parameters including biases. Default: the number of weights in `layers`.
 */
export function sparsityStatistics(
  state: PruningState,
  layers: readonly LayerRecord[],
  parameterCount?: number,
): SparsityStatistics {
  checkState(state);
  checkRecordList(layers);
  if (parameterCount !== undefined) checkInteger("parameterCount", parameterCount);
  const owned = new Set(ownedLayers(state).map(({ name }) => name));
  const counted = layers.map((layer) => ({ ...layer, zeros: countZeros(layer.data) }));
  const allWeights = weightShare(counted);
  return {
    inc: incSparsity(state, layers, parameterCount ?? allWeights.total),
    prunedLayers: weightShare(counted.filter(({ name }) => owned.has(name))),
    linearConv: weightShare(counted.filter(isLinearOrConvolution)),
    allWeights,
    pruners: state.pruners.map((pruner) => ({
      pattern: formatPattern(pruner.config.pattern),
      layers: pruner.layers.length,
      blocks: prunerBlocks(pruner, keptLimit(pruner.config.pattern)),
    })),
  };
}
