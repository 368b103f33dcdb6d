/**
 * Divides one-shot pruning under `strict` into tasks for one tensor each. Tasks and results are plain data, so that
 * this or any other thread can run them.
 */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import type { PatternPrunerConfig } from "../prune/config.ts";
import { elementCount, PruningError } from "../prune/layer.ts";
import {
  countHalves,
  type HalfCounts,
  type LayerBounds,
  type LayerSource,
} from "../prune/layer-scores.ts";
import { allowsBands, type LayerwisePlan } from "../prune/layerwise.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import { BAND_BYTES, bandsOf } from "./bands.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import type { PutBytes, TensorPlace } from "./copy.ts";
import { type MaskOf, type SourcedLayer, tensorMask, valuesReader } from "./masks.ts";
import { prunedLayers } from "./pruned-layers.ts";
import {
  type CompressedBytes,
  type PrunedBand,
  type PrunedTensor,
  putPruned,
} from "./pruned-tensor.ts";

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
  /** The place of the tensor in the copy. */
  readonly place: TensorPlace;
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
  /** Prunes a tensor and writes it, with `put` at positions relative to the tensor's, or to its place in the copy. */
  readonly prune: (task: TensorTask, put: PutBytes) => Promise<TensorResult>;
}

/** The inputs that tasks read. */
export interface TaskInputs {
  readonly checkpoint: Checkpoint;
  readonly gradients: Checkpoint | null;
  readonly compressedBytes: CompressedBytes;
  readonly kernels?: PruningKernels | undefined;
  /** Returns memory of the kernels for {@link BAND_BYTES} bytes, always the same. Default: other memory. */
  readonly bandMemory?: (() => Uint8Array) | undefined;
  /** The size of a band in bytes. Results do not depend on it. Default: {@link BAND_BYTES}. */
  readonly bandBytes?: number;
}

/** Creates functions that run tasks in this thread, one at a time, with one tensor or one band of it in memory. */
export function tasksHere(inputs: TaskInputs): PruningTasks {
  const { checkpoint, gradients, compressedBytes, kernels, bandMemory } = inputs;
  const { bandBytes = BAND_BYTES } = inputs;
  let memory = new Uint8Array(0);
  const memoryFor = ({ begin, end }: CheckpointEntry): Uint8Array => {
    if (bandMemory && end - begin <= BAND_BYTES) return bandMemory();
    if (memory.length < end - begin) memory = new Uint8Array(end - begin);
    return memory;
  };
  let held: { readonly name: string; readonly tensor: StoredTensor } | null = null;
  const read: Checkpoint["read"] = (entry, own) =>
    held?.name === entry.name ? held.tensor : checkpoint.read(entry, own);
  const readLayer = valuesReader({ checkpoint: { ...checkpoint, read }, gradients }, memoryFor);
  const { workspaceOf, sourceFor, maskUnder, withPlans } = prunedLayers(readLayer, kernels);

  /** Returns the bands of a layer; null if it cannot be divided, or if a plan decides on the whole layer. */
  const bandsUnder = (
    layer: SourcedLayer,
    plans: readonly LayerwisePlan[],
    configs: readonly PatternPrunerConfig[],
    layouts: readonly LayoutSpec[],
  ): readonly SourcedLayer[] | null =>
    plans.every((plan) => allowsBands(plan, layer.name))
      ? bandsOf(checkpoint, layer, configs, layouts, bandBytes)
      : null;

  const countParts = (
    { config, bounds, leading, plans }: CountTask,
    parts: readonly SourcedLayer[],
  ): HalfCounts => {
    function* sources(): Generator<LayerSource> {
      for (const [part, own] of withPlans(parts, plans)) yield sourceFor(part, config, own);
    }
    return countHalves(config, sources(), bounds, leading, workspaceOf(plans.length));
  };

  /** Returns the mask of a layer under all plans, and adds up the blocks that each of them prunes. */
  const maskInto = (
    layer: SourcedLayer,
    plans: readonly LayerwisePlan[],
    prunedBlocks: number[],
  ): Uint8Array | null => {
    const masks = plans.flatMap((_, number) => {
      const made = maskUnder(layer, plans, number);
      if (made === null) return [];
      prunedBlocks[number] = (prunedBlocks[number] ?? 0) + made.prunedBlocks;
      return [made.mask];
    });
    const [mask = null, ...more] = masks;
    return more.reduce((both, own) => both?.map((bit, i) => bit & (own[i] ?? 1)) ?? own, mask);
  };

  const pruneBands = (
    { entry, plans, layouts }: TensorTask,
    bands: readonly SourcedLayer[],
    put: PutBytes,
  ): TensorResult => {
    const prunedBlocks = plans.map(() => 0);
    function* pruned(): Generator<PrunedBand> {
      for (const [band, own] of withPlans(bands, plans)) {
        const { entry: place } = band.source;
        const tensor = checkpoint.read(place, memoryFor(place));
        held = { name: entry.name, tensor };
        const mask = maskInto(band, own, prunedBlocks);
        yield { begin: place.begin - entry.begin, tensor, mask };
      }
    }
    try {
      return { ...putPruned(entry, pruned(), layouts, null, put, kernels), prunedBlocks };
    } finally {
      held = null;
    }
  };

  const pruneWhole = (
    { entry, layers, plans, layouts }: TensorTask,
    put: PutBytes,
  ): TensorResult => {
    const tensor = checkpoint.read(entry, memoryFor(entry));
    const prunedBlocks = plans.map(() => 0);
    held = { name: entry.name, tensor };
    try {
      const maskOf: MaskOf = (layer) => maskInto(layer, plans, prunedBlocks);
      const mask = tensorMask(layers, elementCount(tensor.shape), maskOf);
      const whole = [{ begin: 0, tensor, mask }];
      return { ...putPruned(tensor, whole, layouts, compressedBytes, put, kernels), prunedBlocks };
    } finally {
      held = null;
    }
  };

  return {
    atOnce: 1,
    count: async (task) => {
      const { layer, config, bounds, plans } = task;
      const configs = [config, ...plans.map((plan) => plan.config)];
      const bands = bounds === null ? bandsUnder(layer, plans, configs, []) : null;
      return preciseErrors(bands && (() => countParts(task, bands)), () =>
        countParts(task, [layer]),
      );
    },
    prune: async (task, put) => {
      const { layers, plans, layouts } = task;
      const [layer, ...others] = layers;
      const isPruned = plans.some((plan) => layer && plan.layers.has(layer.name));
      const canDivide = isPruned && others.length === 0 && compressedBytes === null;
      const configs = plans.map((plan) => plan.config);
      const bands = canDivide && layer ? bandsUnder(layer, plans, configs, layouts) : null;
      return preciseErrors(bands && (() => pruneBands(task, bands, put)), () =>
        pruneWhole(task, put),
      );
    },
  };
}

/**
 * Works in bands if that is possible, otherwise on the whole layer. If pruning refuses a band, it works on the whole
 * layer again, because the error names a position.
 */
function preciseErrors<Result>(inBands: (() => Result) | null, whole: () => Result): Result {
  if (inBands === null) return whole();
  try {
    return inBands();
  } catch (error) {
    if (error instanceof PruningError) return whole();
    throw error;
  }
}
