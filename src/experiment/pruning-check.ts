/** Tries a pruning configuration on the shapes of a model, before anything is trained. */

import type { ModelConfig } from "../model/config.ts";
import { type ModuleKind, moduleList } from "../model/modules.ts";
import type { Profile, PruningConfig } from "../prune/config.ts";
import { elementCount, type LayerKind, type LayerRecord } from "../prune/layer.ts";
import { formatPattern } from "../prune/pattern.ts";
import { initialiseTrainingPruning, parseTrainingPruning } from "../train/pruning.ts";

const LAYER_KINDS: Readonly<Record<ModuleKind, LayerKind>> = {
  linear: "linear",
  embedding: "embedding",
  layerNorm: "other",
};

/** A model's layers with weights that are all zero: shapes and order are what counts here. */
function emptyLayers(config: ModelConfig): readonly LayerRecord[] {
  return moduleList(config).map(({ name, kind, shape }) => ({
    name,
    kind: LAYER_KINDS[kind],
    shape,
    data: new Float32Array(elementCount(shape)),
  }));
}

/**
 * Parses a configuration in INC's keys and begins pruning with it.
 *
 * @throws InputError with every problem of the configuration
 * @throws PruningError where it cannot be carried out: a pattern that divides no layer, no layer selected, a
 * schedule that cannot run
 */
export function checkPruning(
  keys: Readonly<Record<string, unknown>>,
  model: ModelConfig,
  profile: Profile,
): PruningConfig {
  const config = parseTrainingPruning(keys, profile);
  initialiseTrainingPruning(config, emptyLayers(model), profile);
  return config;
}

/** The pattern of all pruners, or null where they differ. */
export function commonPattern({ pruners }: PruningConfig): string | null {
  const patterns = new Set(pruners.map(({ pattern }) => formatPattern(pattern)));
  const [pattern] = patterns;
  return patterns.size === 1 && pattern !== undefined ? pattern : null;
}
