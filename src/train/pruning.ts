/** Reading and starting pruning for a training run. */
import type { Profile, PruningConfig } from "../prune/config.ts";
import { rearrangesMasks } from "../prune/criteria.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, refusePruning } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import type { PruningState } from "../prune/state.ts";

/**
 * Reads a configuration for training. `inc` reads it as INC does, except that a string in place of a list of names is
 * rejected as in `strict`: INC would take each letter for a name.
 *
 * @throws InputError with all its problems
 */
export function parseTrainingPruning(keys: unknown, profile: Profile): PruningConfig {
  return parsePruningConfigOrThrow(keys, profile === "strict" ? { profile } : {});
}

/**
 * The state before the first step of a training run.
 *
 * @throws PruningError if the configuration does not fit the layers, or is not for training
 */
export function initialiseTrainingPruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  profile: Profile,
): PruningState {
  const rearranging = config.pruners.find(({ criterion }) => rearrangesMasks(criterion));
  if (rearranging !== undefined)
    refusePruning(
      "unsupported-combination",
      "pruning_type",
      "one that goes with training",
      `${rearranging.criterion}, which leaves weights as they are; call the reducer with gradients of the masked weights instead`,
    );
  return initialisePruning(config, layers, { profile });
}
