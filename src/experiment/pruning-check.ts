/** Tries a pruning configuration on the shapes of a model, before anything is trained. */

import type { PruningKeys } from "../checkpoint/pruning-config-file.ts";
import { type Either, InputError, left, type Problem, right } from "../core/either.ts";
import type { ModelConfig } from "../model/config.ts";
import { moduleList } from "../model/modules.ts";
import type { Profile, PruningConfig } from "../prune/config.ts";
import { elementCount, PruningError } from "../prune/layer.ts";
import { formatPattern } from "../prune/pattern.ts";
import { initialiseTrainingPruning, parseTrainingPruning } from "../train/pruning.ts";
import { KIND_OF_MODULE } from "../train/trainable-model.ts";

/**
 * Parses a configuration in INC's keys and begins pruning with it. Problems are those of the configuration, or the first
 * reason why it cannot be carried out: a pattern that divides no layer, no layer selected, an impossible schedule.
 */
export function checkPruning(
  keys: PruningKeys,
  model: ModelConfig,
  profile: Profile,
): Either<readonly Problem[], PruningConfig> {
  try {
    const config = parseTrainingPruning(keys, profile);
    // Only shapes and order matter: all weights are zero.
    const layers = moduleList(model).map(({ name, kind, shape }) => ({
      name,
      kind: KIND_OF_MODULE[kind],
      shape,
      data: new Float32Array(elementCount(shape)),
    }));
    initialiseTrainingPruning(config, layers, profile);
    return right(config);
  } catch (error) {
    if (error instanceof InputError) return left(error.problems);
    if (error instanceof PruningError) return left([error.problem]);
    throw error;
  }
}

/** The pattern of all pruners, or null if they differ. */
export function commonPattern({ pruners }: PruningConfig): string | null {
  const [pattern = null, ...others] = new Set(pruners.map((each) => formatPattern(each.pattern)));
  return others.length === 0 ? pattern : null;
}
