/** Layers of a checkpoint with their values, and the masks of all of them at once. */
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

/** What masks are made from. */
export interface MaskRun {
  readonly checkpoint: Checkpoint;
  /** One-shot, all due at the same step. */
  readonly pruners: readonly PatternPrunerConfig[];
  readonly profile: Profile;
  /** The gradients of weights, by the weights' names. */
  readonly gradients: Checkpoint | null;
}

/** The pruned blocks of a pruner, and all blocks of its layers; groups for N:M. */
export interface PrunedBlocks {
  readonly pattern: string;
  readonly prunedBlocks: number;
  readonly blocks: number;
}

/** A layer with its tensor. */
export interface SourcedLayer extends CheckpointLayer {
  readonly source: SurveyedTensor;
}

/** Reads the values of layers. The last tensor of experts stays in memory of its own. */
function layerReader(
  read: (tensor: SurveyedTensor, isKept: boolean) => Float32Array,
): (layer: SourcedLayer) => Float32Array {
  let last: { readonly name: string; readonly values: Float32Array } | null = null;
  return (layer) => {
    const { source } = layer;
    if (source.role !== "experts") return layerValues(layer, read(source, false));
    if (last?.name !== source.name) {
      // Two such tensors never are in memory at once.
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

/** Reads what pruners with these configurations need of a layer. The values are not to be changed. */
export type ReadLayer = (
  layer: SourcedLayer,
  configs: readonly PatternPrunerConfig[],
) => Pick<LayerRecord, "data" | "gradient">;

/**
 * Reads the weight of a layer, and its gradient if a criterion needs it.
 *
 * @param memoryFor memory to read a weight into, which the next one may overwrite
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

/** The mask of a layer; null if it is left alone. */
export type MaskOf = (layer: SourcedLayer) => Uint8Array | null;

/** The masks of layers, and what was done about them. */
interface Masks {
  readonly maskOf: MaskOf;
  readonly skipped: readonly SkippedLayer[];
  readonly pruners: readonly PrunedBlocks[];
}

/** Under `inc` layers influence each other, so all are in memory. */
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

/** The mask of a tensor from those of its layers; null if no layer has one. */
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
