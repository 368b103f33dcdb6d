/** How sparse a model is, in INC's terms and in honest ones. */
import { sumOf } from "../core/sum.ts";
import { countPruner, countZeros, incKeptLimit, keptLimit } from "./count.ts";
import type { LayerRecord } from "./layer.ts";
import { formatPattern, perElement } from "./pattern.ts";
import { ownedLayers, type PrunerState, type PruningState } from "./state.ts";

/** A share with its numerator and denominator; `ratio` is 0 if there is nothing to count. */
export interface Share {
  readonly zeros: number;
  readonly total: number;
  readonly ratio: number;
}

/** INC's three figures (`get_sparsity_ratio`), of the masks and not of the weights. */
interface IncSparsity {
  /** Masked elements over the weights of all linear and convolution layers, the head included. */
  readonly elementwiseOverLinearConv: number;
  /** Masked elements over all parameters. */
  readonly elementwiseOverAll: number;
  /** Each pruner's elements times its share of pruned blocks, over linear and convolution weights. */
  readonly blockwiseOverLinearConv: number;
}

/** One pruner's blocks (groups for N:M). */
interface PrunerSparsity {
  readonly pattern: string;
  readonly layers: number;
  /** Blocks that are pruned whole; N:M groups that have lost at least N elements. */
  readonly blocks: Share;
}

/** Sparsity of a model. A figure counts zeros in the weights themselves unless it says otherwise. */
export interface SparsityStatistics {
  readonly inc: IncSparsity;
  /** Over the weights of the layers that pruners own. */
  readonly prunedLayers: Share;
  /** Over the weights of all linear and convolution layers. */
  readonly linearConv: Share;
  /** Over the weights of all records. */
  readonly allWeights: Share;
  readonly pruners: readonly PrunerSparsity[];
}

function shareOf(zeros: number, total: number): Share {
  return { zeros, total, ratio: total === 0 ? 0 : zeros / total };
}

function isLinearOrConvolution({ kind }: LayerRecord): boolean {
  return kind === "linear" || kind === "conv1d" || kind === "conv2d";
}

function weightShare(layers: readonly LayerRecord[]): Share {
  const zeros = sumOf(layers, ({ data }) => countZeros(data));
  const total = sumOf(layers, ({ data }) => data.length);
  return shareOf(zeros, total);
}

/** A pruner's pruned blocks among all of its layers' blocks. */
function prunerBlocks(pruner: PrunerState, limit: number): Share {
  const { pruned, total } = countPruner(pruner, limit);
  return shareOf(pruned, total);
}

/** INC's figures. A layer owned by two pruners counts twice. */
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
 * Sparsity of a model under pruning.
 *
 * @param layers all records, in module order.
 * @param parameterCount all of the model's parameters, biases included; default: the records' weights.
 */
export function sparsityStatistics(
  state: PruningState,
  layers: readonly LayerRecord[],
  parameterCount?: number,
): SparsityStatistics {
  const owned = new Set(ownedLayers(state).map(({ name }) => name));
  const allWeights = weightShare(layers);
  return {
    inc: incSparsity(state, layers, parameterCount ?? allWeights.total),
    prunedLayers: weightShare(layers.filter(({ name }) => owned.has(name))),
    linearConv: weightShare(layers.filter(isLinearOrConvolution)),
    allWeights,
    pruners: state.pruners.map((pruner) => ({
      pattern: formatPattern(pruner.config.pattern),
      layers: pruner.layers.length,
      blocks: prunerBlocks(pruner, keptLimit(pruner.config.pattern)),
    })),
  };
}
