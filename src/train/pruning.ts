/** Pruning as a training run can do it. */
import type { Profile, PruningConfig } from "../prune/config.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, PruningError } from "../prune/layer.ts";
import type { PruningState } from "../prune/state.ts";

/**
 * The state before the first step of a training run.
 *
 * @throws PruningError where the configuration cannot be carried out on these layers, or is not for training
 */
export function initialiseTrainingPruning(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  profile: Profile,
): PruningState {
  if (config.pruners.some(({ method }) => method === "retrain_free"))
    throw new PruningError(
      "unsupported-combination",
      "pruning_type: expected one that goes with training, got retrain_free, which leaves weights as they are; call the reducer with gradients of the masked weights instead",
    );
  return initialisePruning(config, layers, { profile });
}
