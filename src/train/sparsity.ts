/** Measures the sparsity of a model during training, for the events of the run. */
import { sumOf } from "../core/sum.ts";
import { countZeros } from "../prune/count.ts";
import { scoresBlockMasks } from "../prune/criteria.ts";
import type { LayerRecord } from "../prune/layer.ts";
import type { PrunedLayer, PruneEvent, PrunerState, PruningState } from "../prune/state.ts";
import type { LayerSparsity, SparsityReport, ZeroCount } from "./events.ts";

/** Returns the names of the layers that pruners own, in module order. */
export function prunedLayerNames(
  state: PruningState,
  layers: readonly LayerRecord[],
): readonly string[] {
  const owned = ownedNames(state);
  return layers.filter(({ name }) => owned.has(name)).map(({ name }) => name);
}

function ownedNames(state: PruningState): ReadonlySet<string> {
  return new Set(state.pruners.flatMap(({ layers }) => layers.map(({ name }) => name)));
}

/** Returns each pruner's target ratio at its latest prune step; 0 before the first. */
export function targetSparsities(state: PruningState): readonly number[] {
  return state.pruners.map(({ lastEvent }) => lastEvent?.targetRatio ?? 0);
}

/** Computes the share of zeros in the masks of all pruned layers; 0 if there are no such layers. */
function reachedSparsity(state: PruningState): number {
  const layers = state.pruners.flatMap((pruner) => pruner.layers);
  const { zeros, total } = sum(layers.map((layer) => zerosOf(appliedMask(layer))));
  return total === 0 ? 0 : zeros / total;
}

/** A result of {@link reachedSparsity}, and the latest event of each pruner at that time. */
export interface SparsityGauge {
  readonly events: readonly (PruneEvent | null)[];
  readonly share: number;
}

/** Computes {@link reachedSparsity}, or returns `previous` if no mask can have changed since. */
export function gaugeSparsity(state: PruningState, previous: SparsityGauge | null): SparsityGauge {
  const events = state.pruners.map(({ lastEvent }) => lastEvent);
  const unchanged =
    previous !== null &&
    state.pruners.every(
      ({ config }) => config.method === "basic" && !scoresBlockMasks(config.criterion),
    ) &&
    events.every((event, index) => event === previous.events[index]);
  return unchanged ? previous : { events, share: reachedSparsity(state) };
}

/** Returns the mask that is applied to the weight: the interpolated mask during progressive pruning. */
export function appliedMask({ mask, progressiveMask }: PrunedLayer): Uint8Array {
  return progressiveMask ?? mask;
}

export function sparsityReport(
  state: PruningState,
  layers: readonly LayerRecord[],
): SparsityReport {
  const owned = ownedNames(state);
  const reported: LayerSparsity[] = layers
    .filter(({ kind }) => kind === "linear" || kind === "conv1d" || kind === "conv2d")
    .map(({ name, data }) => ({ name, pruned: owned.has(name), ...zerosOf(data) }));
  return {
    targets: targetSparsities(state),
    prunedBlocks: sum(state.pruners.map(blocksOf)),
    prunedLayers: sum(reported.filter(({ pruned }) => pruned)),
    allLayers: sum(reported),
    drifted: countDrifted(state, layers),
    layers: reported,
  };
}

/**
 * Counts all blocks in a pruner's layers, and those that are pruned. An N:M pattern counts weights instead of blocks.
 */
function blocksOf({ config, layers }: PrunerState): ZeroCount {
  const counts = layers.filter(({ layout }) => layout.divides);
  return sum(
    counts.map((layer) => {
      const elements = zerosOf(layer.mask);
      if (config.pattern.kind === "group") return elements;
      const blockSize = layer.layout.blockHeight * layer.layout.blockWidth;
      return { zeros: elements.zeros / blockSize, total: elements.total / blockSize };
    }),
  );
}

/** Counts weights that a mask prunes but that are not zero. */
function countDrifted(state: PruningState, records: readonly LayerRecord[]): number {
  const weights = new Map(records.map(({ name, data }) => [name, data]));
  let drifted = 0;
  for (const layer of state.pruners.flatMap(({ layers }) => layers)) {
    const weight = weights.get(layer.name);
    const mask = appliedMask(layer);
    if (weight === undefined) continue;
    for (let i = 0; i < mask.length; i++) if (mask[i] === 0 && weight[i] !== 0) drifted++;
  }
  return drifted;
}

function zerosOf(values: Uint8Array | Float32Array): ZeroCount {
  return { zeros: countZeros(values), total: values.length };
}

function sum(counts: readonly ZeroCount[]): ZeroCount {
  return { zeros: sumOf(counts, ({ zeros }) => zeros), total: sumOf(counts, ({ total }) => total) };
}
