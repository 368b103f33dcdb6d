/** Masks of a checkpoint's layers: of all at once, or one layer in memory at a time. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { toFloat32 } from "../io/safetensors.ts";
import type { PatternPrunerConfig, Profile } from "../prune/config.ts";
import { needsGradient } from "../prune/criteria.ts";
import { type LayerRecord, refusePruning } from "../prune/layer.ts";
import {
  type LayerSource,
  type LayerwisePlan,
  layerMask,
  layerwisePlanning,
} from "../prune/layerwise.ts";
import { pruneAtOnce, skippedByAll } from "../prune/once.ts";
import { formatPattern } from "../prune/pattern.ts";
import { plainKernels } from "../prune/plain-kernels.ts";
import type { SkippedLayer } from "../prune/select.ts";
import type { Checkpoint } from "./checkpoint.ts";
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
  readonly kernels?: PruningKernels;
  /** Awaited before each layer or tensor, so that other work can run. If it rejects, no output remains. */
  readonly turn: () => Promise<void>;
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

/** Reads the values of layers, each time into a new array. The last tensor of experts stays in memory. */
function layerReader(
  read: (tensor: SurveyedTensor) => Float32Array,
): (layer: SourcedLayer) => Float32Array {
  let last: { readonly source: SurveyedTensor; readonly values: Float32Array } | null = null;
  return (layer) => {
    const { source } = layer;
    if (source.role !== "experts") return layerValues(layer, read(source));
    if (last?.source !== source) {
      // Two such tensors never are in memory at once.
      last = null;
      last = { source, values: read(source) };
    }
    return layerValues(layer, last.values).slice();
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

type ReadLayer = (
  layer: SourcedLayer,
  config: readonly PatternPrunerConfig[],
) => Pick<LayerRecord, "data" | "gradient">;

/** Reads the weight of a layer, and its gradient if a criterion needs it. */
function valuesReader({ checkpoint, gradients }: MaskRun): ReadLayer {
  const data = layerReader((tensor) => float32Values(checkpoint, tensor));
  const gradient =
    gradients === null ? null : layerReader((tensor) => readGradient(gradients, tensor));
  return (layer, config) => {
    const wants = config.some(({ criterion }) => needsGradient(criterion));
    return { data: data(layer), gradient: wants && gradient !== null ? gradient(layer) : null };
  };
}

/** The masks of layers, and what was done about them. */
export interface Masks {
  readonly maskOf: (layer: SourcedLayer) => Uint8Array | null;
  readonly skipped: readonly SkippedLayer[];
  readonly pruners: () => readonly PrunedBlocks[];
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
  return { maskOf: ({ name }) => masks.get(name) ?? null, skipped, pruners: () => made };
}

/** Under `strict` one layer is in memory at a time. */
export async function masksLayerwise(
  run: MaskRun,
  layers: readonly SourcedLayer[],
  onRead: (layer: SourcedLayer) => void,
): Promise<Masks> {
  const { pruners, turn, kernels = plainKernels } = run;
  const readLayer = valuesReader(run);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const plans: LayerwisePlan[] = [];
  const pruned = pruners.map(() => 0);
  /** A layer as pruner `number` sees it: pruned by those before it. */
  const sourceFor = (layer: SourcedLayer, number: number): LayerSource => {
    const { name, kind, shape } = layer;
    const read = () => {
      const values = readLayer(layer, pruners.slice(number, number + 1));
      for (const [i, plan] of plans.slice(0, number).entries()) {
        const mask = plan.layers.has(name) ? layerMask(plan, sourceFor(layer, i), kernels) : null;
        mask?.mask.forEach((bit, at) => {
          if (bit === 0) values.data[at] = 0;
        });
      }
      return values;
    };
    return { name, kind, shape, read };
  };
  for (const [number, config] of pruners.entries()) {
    const sources = layers.map((layer) => sourceFor(layer, number));
    const planning = layerwisePlanning(config, sources, kernels);
    for (;;) {
      const { done, value } = planning.next();
      if (done === true) {
        plans.push(value);
        break;
      }
      const layer = byName.get(value);
      if (layer !== undefined) onRead(layer);
      await turn();
    }
  }
  const maskOf = (layer: SourcedLayer): Uint8Array | null => {
    const masks = plans.flatMap((plan, number) => {
      const made = layerMask(plan, sourceFor(layer, number), kernels);
      if (made === null) return [];
      pruned[number] = (pruned[number] ?? 0) + made.prunedBlocks;
      return [made.mask];
    });
    const [mask = null, ...more] = masks;
    return more.reduce((both, own) => both?.map((bit, i) => bit & (own[i] ?? 1)) ?? own, mask);
  };
  return {
    maskOf,
    skipped: skippedByAll(plans.map(({ skipped }) => skipped)),
    pruners: () =>
      plans.map(({ config, blocks }, i) => ({
        pattern: formatPattern(config.pattern),
        prunedBlocks: pruned[i] ?? 0,
        blocks,
      })),
  };
}

/** The mask of a tensor from those of its layers; null if no layer has one. */
export function tensorMask(
  layers: readonly SourcedLayer[],
  elements: number,
  maskOf: Masks["maskOf"],
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
