/** What a trajectory states of its pruners before the first step: settings, plans, blocks, masks. */
import type { PruningConfig } from "../prune/config.ts";
import type { PrunerState, PruningState } from "../prune/state.ts";
import {
  type JsonObject,
  numberAt,
  numbersAt,
  objectAt,
  objectsAt,
  textsAt,
} from "./case-files.ts";
import { type Difference, exactDifference, firstOf, valueDifference } from "./difference.ts";
import { type PruningCase, statedTensor, tensorLayer } from "./pruning-case.ts";
import { prunersDifference, statedFields } from "./pruning-config.ts";

/** First difference in any pruner before the first step. */
export function preparationDifference(
  vector: PruningCase,
  config: PruningConfig,
  { pruners }: PruningState,
): Difference | undefined {
  const stated = objectsAt(vector.files.json, "pruners");
  const resolved = stated.map((pruner) => {
    // The original adds the classifier head to these two.
    const { op_names: _, excluded_op_names: __, ...rest } = objectAt(pruner, "resolved_config");
    return statedFields(rest);
  });
  return (
    prunersDifference(resolved, config.pruners) ??
    firstOf(stated.entries(), ([index, json]) => {
      const pruner = pruners[index];
      return pruner && prunerDifference(`pruner ${index}`, json, pruner);
    }) ??
    firstOf(pruners.entries(), ([index, pruner]) => startDifference(vector, index, pruner))
  );
}

/** Prune steps planned and done, layers that the pattern does not divide, and the blocks of the others. */
function prunerDifference(
  label: string,
  stated: JsonObject,
  { layers, totalPruneSteps, completedPruneSteps }: PrunerState,
): Difference | undefined {
  const planned = numberAt(stated, "total_prune_cnt");
  const done = numberAt(stated, "initial_completed_pruned_cnt");
  const expected = [...textsAt(stated, "invalid_layers")].sort();
  const invalid = layers.filter(({ layout }) => !layout.divides).map(({ name }) => name);
  const sizes = "block_size" in stated ? objectAt(stated, "block_size") : {};
  return (
    valueDifference(`${label} prune steps planned`, planned, totalPruneSteps) ??
    valueDifference(`${label} prune steps done before`, done, completedPruneSteps) ??
    exactDifference(`${label} invalid layers`, expected, invalid.sort()) ??
    firstOf(layers, ({ name: layer, layout: { blockHeight, blockWidth } }) =>
      layer in sizes
        ? exactDifference({ layer, quantity: "block size" }, numbersAt(sizes, layer), [
            blockHeight,
            blockWidth,
          ])
        : undefined,
    )
  );
}

/** The masks from which interpolation starts. */
function startDifference(
  vector: PruningCase,
  index: number,
  { layers }: PrunerState,
): Difference | undefined {
  return firstOf(layers, ({ name: layer, progressiveMask }) => {
    const name = tensorLayer(vector, index, layer);
    const stated = statedTensor(vector.files, `pmask/init/${name}`);
    const place = { layer, quantity: "pmask at the start" };
    return stated && progressiveMask ? exactDifference(place, stated, progressiveMask) : undefined;
  });
}
