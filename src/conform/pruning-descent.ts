/** What a trajectory's training does between the hooks: the stated gradients, and plain descent along them. */

import type { PruningResult } from "../prune/hooks.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { tensorValues } from "./case-files.ts";
import type { PruningCase } from "./pruning-case.ts";

/** The step's gradient; where none is stated it is zero. */
export function withGradient(
  { files }: PruningCase,
  step: number,
  layer: LayerRecord,
): LayerRecord {
  const name = `grad/${step}/${layer.name}`;
  const gradient = files.tensors.has(name)
    ? tensorValues(files, name)
    : new Float32Array(layer.data.length);
  return { ...layer, gradient };
}

/** Plain gradient descent in float32. */
export function descend(layer: LayerRecord, learningRate: number): LayerRecord {
  const { data, gradient } = layer;
  const rate = Math.fround(learningRate);
  return {
    ...layer,
    data: data.map((weight, i) => weight - Math.fround(rate * (gradient?.[i] ?? 0))),
  };
}

/** Takes over the weights that a hook changed. */
export function takeOver(
  layers: readonly LayerRecord[],
  { weights }: PruningResult,
): LayerRecord[] {
  return layers.map((layer) => ({ ...layer, data: weights.get(layer.name) ?? layer.data }));
}
