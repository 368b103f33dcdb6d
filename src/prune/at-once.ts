/** One-shot pruning with several pruners, as a configuration of mixed patterns has them. */
import type { PatternPrunerConfig, Profile } from "./config.ts";
import type { LayerRecord } from "./layer.ts";
import { carryOut, type PruneOnceResult, skippedLayers } from "./once.ts";
import type { SkippedLayer } from "./select.ts";
import { ownedLayers, type PruningState } from "./state.ts";
import { sparsityStatistics } from "./statistics.ts";

/** The masks by layer; of a layer that several pruners own, what all of them keep. */
function masksOf(state: PruningState): ReadonlyMap<string, Uint8Array> {
  const masks = new Map<string, Uint8Array>();
  for (const { name, mask } of ownedLayers(state))
    masks.set(name, masks.get(name)?.map((bit, i) => bit & (mask[i] as number)) ?? mask);
  return masks;
}

/** Layers that every pruner leaves alone, with the first one's reason. */
export function skippedByAll(
  pruners: readonly (readonly SkippedLayer[])[],
): readonly SkippedLayer[] {
  const [first = [], ...others] = pruners;
  return first.filter(({ name }) =>
    others.every((skipped) => skipped.some((one) => one.name === name)),
  );
}

/**
 * `pruneOnce` with any number of pruners, all of them due at the same step: 0, or 1 after one look at the gradients.
 * What no pruner takes counts as skipped, with the first one's reason.
 *
 * @throws what `pruneOnce` throws
 */
export function pruneAtOnce(
  pruners: readonly PatternPrunerConfig[],
  layers: readonly LayerRecord[],
  profile: Profile,
  excludeHead: boolean,
): PruneOnceResult {
  const { state, weights } = carryOut(pruners, layers, profile, excludeHead);
  const after = layers.map((layer) => ({ ...layer, data: weights.get(layer.name) ?? layer.data }));
  const skipped = state.pruners.map((pruner) =>
    skippedLayers(pruner.config, { ...state, pruners: [pruner] }, layers, excludeHead),
  );
  return {
    profile,
    weights,
    masks: masksOf(state),
    skipped: skippedByAll(skipped),
    statistics: sparsityStatistics(state, after),
  };
}
