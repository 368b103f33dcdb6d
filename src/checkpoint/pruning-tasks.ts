/**
 * Divides one-shot pruning under `strict` into tasks for one tensor each. Tasks and results are plain data, so that
 * this or any other thread can run them.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import type { PatternPrunerConfig } from "../prune/config.ts";
import { elementCount } from "../prune/layer.ts";
import {
  countHalves,
  createLayerWorkspace,
  type HalfCounts,
  type LayerBounds,
  type LayerSource,
  type LayerWorkspace,
} from "../prune/layer-scores.ts";
import { type LayerMask, type LayerwisePlan, layerMaskIn } from "../prune/layerwise.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import {
  type MaskOf,
  type ReadLayer,
  type SourcedLayer,
  tensorMask,
  valuesReader,
} from "./masks.ts";
import { packedSize } from "./packed-tensor.ts";
import { zeroPruned } from "./zero-pruned.ts";

/** A task that counts the scores of one layer, for the plan of a pruner. */
export interface CountTask {
  readonly layer: SourcedLayer;
  readonly config: PatternPrunerConfig;
  readonly bounds: LayerBounds | null;
  readonly leading: number | null;
  /** The plans of all earlier pruners, for this layer only. */
  readonly plans: readonly LayerwisePlan[];
}

/** A task that prunes one tensor. */
export interface TensorTask {
  readonly entry: CheckpointEntry;
  readonly layers: readonly SourcedLayer[];
  /** The plans of all pruners, for the tensor's layers only. */
  readonly plans: readonly LayerwisePlan[];
  /** The candidate layouts. The packed size is the size in the smallest of them. */
  readonly layouts: readonly LayoutSpec[];
  /** A buffer into which the tensor may be read. */
  readonly memory?: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Sizes of a tensor in bytes: as written (`dense`), in the smallest layout for the pruners' patterns (`packed`), and
 * after compression, if measured (`gzip`).
 */
export interface TensorSizes {
  readonly dense: number;
  readonly packed: number;
  readonly gzip: number | null;
}

/** A pruned tensor, as it is written to the copy. */
export interface PrunedTensor {
  /** The bytes to write. The next task may overwrite them. */
  readonly bytes: Uint8Array;
  /** The number of zeros in the written weight; null for a tensor that all pruners leave alone. */
  readonly zeros: number | null;
  readonly sizes: TensorSizes;
}

/** The result of a {@link TensorTask}. */
export interface TensorResult extends PrunedTensor {
  /** The number of blocks in this tensor that each pruner pruned. */
  readonly prunedBlocks: readonly number[];
}

/** Runs tasks, up to `atOnce` of them at the same time. */
export interface PruningTasks {
  readonly atOnce: number;
  readonly count: (task: CountTask) => Promise<HalfCounts>;
  readonly prune: (task: TensorTask) => Promise<TensorResult>;
  /** Takes back bytes that are no longer needed, to reuse their memory. */
  readonly recycle?: (bytes: Uint8Array) => void;
}

/** Returns the size of a tensor's bytes after compression. Null if it is not measured. */
export type CompressedBytes = ((bytes: Uint8Array) => number) | null;

/** The inputs that tasks read. */
export interface TaskInputs {
  readonly checkpoint: Checkpoint;
  readonly gradients: Checkpoint | null;
  readonly compressedBytes: CompressedBytes;
  readonly kernels?: PruningKernels | undefined;
}

/** Zeroes the pruned elements of a tensor, and measures the result. */
export function prunedTensor(
  tensor: StoredTensor,
  layers: readonly SourcedLayer[],
  maskOf: MaskOf,
  layouts: readonly LayoutSpec[],
  compressedBytes: CompressedBytes,
): PrunedTensor {
  const mask = tensorMask(layers, elementCount(tensor.shape), maskOf);
  const pruned = mask === null ? { bytes: tensor.bytes, zeros: null } : zeroPruned(mask, tensor);
  const { bytes } = pruned;
  const dense = bytes.length;
  const packed = mask === null ? dense : packedSize({ ...tensor, bytes }, layouts).bytes;
  return { ...pruned, sizes: { dense, packed, gzip: compressedBytes?.(bytes) ?? null } };
}

/** Reduces a plan to the layers that a task needs. */
export function planFor(plan: LayerwisePlan, layers: readonly SourcedLayer[]): LayerwisePlan {
  const own = layers.flatMap(({ name }) => {
    const fate = plan.layers.get(name);
    return fate ? [[name, fate] as const] : [];
  });
  return { ...plan, layers: new Map(own), skipped: [] };
}

/**
 * Functions that read layers as they are after earlier pruners have pruned them, with working memory for each pruner.
 */
interface PrunedLayers {
  readonly workspaceOf: (pruner: number) => LayerWorkspace;
  /** Returns a source that reads the layer after zeroing the weights that the plans in `before` prune. */
  readonly sourceFor: (
    layer: SourcedLayer,
    config: PatternPrunerConfig,
    before: readonly LayerwisePlan[],
  ) => LayerSource;
  /** Returns the mask of a layer under the plan at index `number`. The mask of the next layer may overwrite it. */
  readonly maskUnder: (
    layer: SourcedLayer,
    plans: readonly LayerwisePlan[],
    number: number,
  ) => LayerMask | null;
}

function prunedLayers(readLayer: ReadLayer, kernels: PruningKernels | undefined): PrunedLayers {
  const workspaces: LayerWorkspace[] = [];
  const workspaceOf = (pruner: number): LayerWorkspace => {
    workspaces[pruner] ??= createLayerWorkspace(kernels);
    return workspaces[pruner];
  };
  const sourceFor: PrunedLayers["sourceFor"] = (layer, config, before) => {
    const { name, kind, shape } = layer;
    const read = () => {
      const values = readLayer(layer, [config]);
      if (!before.some((plan) => plan.layers.has(name))) return values;
      const data = values.data.slice();
      before.forEach((_, number) => {
        maskUnder(layer, before, number)?.mask.forEach((bit, at) => {
          if (bit === 0) data[at] = 0;
        });
      });
      return { ...values, data };
    };
    return { name, kind, shape, read };
  };
  const maskUnder: PrunedLayers["maskUnder"] = (layer, plans, number) => {
    const plan = plans[number];
    if (plan === undefined) return null;
    const source = sourceFor(layer, plan.config, plans.slice(0, number));
    return layerMaskIn(workspaceOf(number), plan, source);
  };
  return { workspaceOf, sourceFor, maskUnder };
}

/** Creates functions that run tasks in this thread, one at a time, with one tensor in memory. */
export function tasksHere({
  checkpoint,
  gradients,
  compressedBytes,
  kernels,
}: TaskInputs): PruningTasks {
  let memory = new Uint8Array(0);
  const memoryFor = ({ begin, end }: CheckpointEntry): Uint8Array => {
    if (memory.length < end - begin) memory = new Uint8Array(end - begin);
    return memory;
  };
  let held: { readonly name: string; readonly tensor: StoredTensor } | null = null;
  const read: Checkpoint["read"] = (entry, own) =>
    held?.name === entry.name ? held.tensor : checkpoint.read(entry, own);
  const readLayer = valuesReader({ checkpoint: { ...checkpoint, read }, gradients }, memoryFor);
  const { workspaceOf, sourceFor, maskUnder } = prunedLayers(readLayer, kernels);
  return {
    atOnce: 1,
    count: async ({ layer, config, bounds, leading, plans }) => {
      const source = sourceFor(layer, config, plans);
      return countHalves(config, source, bounds, leading, workspaceOf(plans.length));
    },
    prune: async ({ entry, layers, plans, layouts, memory: given }) => {
      memory = given ?? memory;
      const tensor = checkpoint.read(entry, memoryFor(entry));
      const prunedBlocks = plans.map(() => 0);
      const maskOf: MaskOf = (layer) => {
        const masks = plans.flatMap((_, number) => {
          const made = maskUnder(layer, plans, number);
          if (made === null) return [];
          prunedBlocks[number] = (prunedBlocks[number] ?? 0) + made.prunedBlocks;
          return [made.mask];
        });
        const [mask = null, ...more] = masks;
        return more.reduce((both, own) => both?.map((bit, i) => bit & (own[i] ?? 1)) ?? own, mask);
      };
      held = { name: entry.name, tensor };
      try {
        return { ...prunedTensor(tensor, layers, maskOf, layouts, compressedBytes), prunedBlocks };
      } finally {
        held = null;
      }
    },
  };
}
