/** Reads the values of a checkpoint's layers, and computes the masks of all layers at once. */
import { toFloat32 } from "../io/safetensors.ts";
import type { PatternPrunerConfig, Profile } from "../prune/config.ts";
import { needsGradient } from "../prune/criteria.ts";
import { type LayerRecord, refusePruning } from "../prune/layer.ts";
import { pruneAtOnce } from "../prune/once.ts";
import type { SkippedLayer } from "../prune/select.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { type CheckpointLayer, layerValues, storeMaskInto } from "./layers.ts";
import type { SurveyedTensor } from "./survey.ts";
import { float32Values } from "./tensor-values.ts";
import { isFloatingPoint } from "./zero-pruned.ts";

/** The inputs from which masks are computed. */
export interface MaskRun {
  readonly checkpoint: Checkpoint;
  /** One-shot pruners, which all prune at the same step. */
  readonly pruners: readonly PatternPrunerConfig[];
  readonly profile: Profile;
  /** The gradients, under the names of their weights. Null if there are none. */
  readonly gradients: Checkpoint | null;
}

/**
 * The number of blocks that a pruner pruned, and the number of all blocks in its layers. For N:M, groups count as
 * blocks.
 */
export interface PrunedBlocks {
  readonly pattern: string;
  readonly prunedBlocks: number;
  readonly blocks: number;
}

/** A layer, and the tensor that contains it. */
export interface SourcedLayer extends CheckpointLayer {
  readonly source: SurveyedTensor;
}

/**
 * Returns a function that reads the values of a layer. It caches the last tensor of experts in separate memory, because
 * that tensor contains several layers.
 */
function layerReader(
  read: (tensor: SurveyedTensor, isKept: boolean) => Float32Array,
): (layer: SourcedLayer) => Float32Array {
  let last: { readonly name: string; readonly values: Float32Array } | null = null;
  return (layer) => {
    const { source } = layer;
    if (source.role !== "experts") return layerValues(layer, read(source, false));
    if (last?.name !== source.name) {
      // Free the previous tensor before reading the next.
      last = null;
      last = { name: source.name, values: read(source, true) };
    }
    return layerValues(layer, last.values);
  };
}

function readGradient(gradients: Checkpoint, { name, shape }: SurveyedTensor): Float32Array {
  const entry = gradients.entries.find((candidate) => candidate.name === name);
  if (entry === undefined)
    return refusePruning("missing-gradient", name, `a gradient in ${gradients.path}`, "none");
  if (entry.shape.join() !== shape.join() || !isFloatingPoint(entry.dtype))
    refusePruning(
      "missing-gradient",
      name,
      `floating-point gradients [${shape.join(", ")}] in ${gradients.path}`,
      `${entry.dtype} [${entry.shape.join(", ")}]`,
    );
  return toFloat32(gradients.read(entry));
}

/**
 * Reads a layer's weight, and its gradient if one of the configurations needs it. Callers must not change the values.
 */
export type ReadLayer = (
  layer: SourcedLayer,
  configs: readonly PatternPrunerConfig[],
) => Pick<LayerRecord, "data" | "gradient">;

/**
 * Returns a function that reads a layer's weight, and its gradient if a criterion needs it.
 *
 * @param memoryFor returns the memory to read a weight into, which reading the next weight may overwrite
 */
export function valuesReader(
  { checkpoint, gradients }: Pick<MaskRun, "checkpoint" | "gradients">,
  memoryFor?: (entry: CheckpointEntry) => Uint8Array,
): ReadLayer {
  const data = layerReader((tensor, isKept) =>
    float32Values(checkpoint, tensor, isKept ? undefined : memoryFor?.(tensor.entry)),
  );
  const gradient =
    gradients === null ? null : layerReader((tensor) => readGradient(gradients, tensor));
  return (layer, config) => {
    const wants = config.some(({ criterion }) => needsGradient(criterion));
    return { data: data(layer), gradient: wants && gradient !== null ? gradient(layer) : null };
  };
}

/** Returns the mask of a layer; null if the layer is left alone. */
export type MaskOf = (layer: SourcedLayer) => Uint8Array | null;

/** The masks of layers, the skipped layers, and the number of blocks that each pruner pruned. */
interface Masks {
  readonly maskOf: MaskOf;
  readonly skipped: readonly SkippedLayer[];
  readonly pruners: readonly PrunedBlocks[];
}

/**
 * Computes the masks of the profile `inc`. Under this profile, the masks of layers depend on each other, so all layers
 * are in memory at once.
 */
export function masksAtOnce(run: MaskRun, layers: readonly SourcedLayer[]): Masks {
  const { pruners, profile } = run;
  const readLayer = valuesReader(run);
  const records: readonly LayerRecord[] = layers.map((layer) => {
    const { name, kind, shape } = layer;
    return { name, kind, shape, ...readLayer(layer, pruners) };
  });
  const { masks, skipped, statistics } = pruneAtOnce(pruners, records, profile, false);
  const made = statistics.pruners.map(({ pattern, blocks }) => ({
    pattern,
    prunedBlocks: blocks.zeros,
    blocks: blocks.total,
  }));
  return { maskOf: ({ name }) => masks.get(name) ?? null, skipped, pruners: made };
}

/** Combines the masks of a tensor's layers into the mask of the tensor; null if no layer has a mask. */
export function tensorMask(
  layers: readonly SourcedLayer[],
  elements: number,
  maskOf: MaskOf,
): Uint8Array | null {
  let mask: Uint8Array | null = null;
  for (const layer of layers) {
    const own = maskOf(layer);
    if (own === null) continue;
    if (own.length === elements && !layer.inputsFirst) return own;
    mask ??= new Uint8Array(elements).fill(1);
    storeMaskInto(layer, own, mask);
  }
  return mask;
}
