/** What a trajectory states of its pruners before the first step: settings, plans, blocks, masks. */
import type { PruningConfig } from "../prune/config.ts";
import type { PrunedLayer, PrunerState, PruningState } from "../prune/state.ts";
import {
  type JsonObject,
  numberAt,
  objectAt,
  objectsAt,
  tensorValues,
  textsAt,
} from "./case-files.ts";
import {
  type Difference,
  exactDifference,
  firstOf,
  type Place,
  valueDifference,
} from "./difference.ts";
import { type PruningCase, tensorLayer } from "./pruning-case.ts";
import { prunersDifference, statedFields } from "./pruning-config-rows.ts";

/** First difference in any pruner as it stands before the first step. */
export function preparationDifference(
  vector: PruningCase,
  config: PruningConfig,
  state: PruningState,
): Difference | undefined {
  const { files } = vector;
  const stated = objectsAt(files.json, "pruners");
  const resolved = stated.map((pruner) => {
    // The original adds the classifier head to these two.
    const { op_names: _, excluded_op_names: __, ...rest } = objectAt(pruner, "resolved_config");
    return statedFields(rest);
  });
  return (
    prunersDifference(resolved, config.pruners) ??
    firstOf(stated.entries(), ([index, pruner]) => {
      const got = state.pruners[index];
      return got && (planDifference(index, pruner, got) ?? blocksDifference(index, pruner, got));
    }) ??
    firstOf(state.pruners.entries(), ([index, { layers }]) =>
      firstOf(layers, (layer) => {
        const name = tensorLayer(vector, index, layer.name);
        const read = (key: string): Float32Array | undefined =>
          files.tensors.has(key) ? tensorValues(files, key) : undefined;
        return maskDifference(layer, read(`pmask/init/${name}`));
      }),
    )
  );
}

/** Prune steps planned, and those that count as done at the start. */
function planDifference(
  index: number,
  stated: JsonObject,
  { totalPruneSteps, completedPruneSteps }: PrunerState,
): Difference | undefined {
  const of = (quantity: string): Place => ({ quantity: `pruner ${index} ${quantity}` });
  const done = numberAt(stated, "initial_completed_pruned_cnt");
  return (
    valueDifference(
      of("prune steps planned"),
      numberAt(stated, "total_prune_cnt"),
      totalPruneSteps,
    ) ?? valueDifference(of("prune steps done before"), done, completedPruneSteps)
  );
}

/** Layers that the pattern does not divide, and the others' blocks. */
function blocksDifference(
  index: number,
  stated: JsonObject,
  { layers }: PrunerState,
): Difference | undefined {
  const invalid = layers.filter(({ layout }) => !layout.divides).map(({ name }) => name);
  const sizes = "block_size" in stated ? objectAt(stated, "block_size") : {};
  return (
    exactDifference(
      `pruner ${index} invalid layers`,
      [...textsAt(stated, "invalid_layers")].sort(),
      invalid.sort(),
    ) ??
    firstOf(layers, ({ name, layout }) => {
      if (!(name in sizes)) return undefined;
      const { blockHeight, blockWidth } = layout;
      const size = sizes[name] as readonly number[];
      return exactDifference({ layer: name, quantity: "block size" }, size, [
        blockHeight,
        blockWidth,
      ]);
    })
  );
}

/** The mask that interpolation starts from. */
function maskDifference(
  { name, progressiveMask }: PrunedLayer,
  stated: Float32Array | undefined,
): Difference | undefined {
  if (stated === undefined || progressiveMask === null) return undefined;
  return exactDifference({ layer: name, quantity: "pmask at the start" }, stated, progressiveMask);
}
