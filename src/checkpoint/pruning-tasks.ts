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
import { type PrunedLayers, prunedLayers } from "./pruned-layers.ts";
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
  /** Each pruner's plan, restricted to the tensor's layers. */
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
  /**
   * Returns {@link BAND_BYTES} bytes of kernel memory, the same memory at each call. Default: memory outside the
   * kernels.
   */
  readonly bandMemory?: (() => Uint8Array) | undefined;
  /** The size of a band in bytes. Results do not depend on it. Default: {@link BAND_BYTES}. */
  readonly bandBytes?: number;
}

/** The state that the tasks of a thread share: the inputs, the working memory, and the current tensor. */
interface Session extends PrunedLayers {
  readonly inputs: TaskInputs;
  /** Reads a tensor or a band, which {@link PrunedLayers} use from then on. */
  readonly hold: (entry: CheckpointEntry) => StoredTensor;
  readonly release: () => void;
  /** Returns the bands of a layer; null if it cannot be divided, or if a plan decides on the whole layer. */
  readonly bandsUnder: (
    layer: SourcedLayer,
    plans: readonly LayerwisePlan[],
    configs: readonly PatternPrunerConfig[],
    layouts: readonly LayoutSpec[],
  ) => readonly SourcedLayer[] | null;
}

function createSession(inputs: TaskInputs): Session {
  const { checkpoint, gradients, kernels, bandMemory, bandBytes = BAND_BYTES } = inputs;
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
  return {
    ...prunedLayers(readLayer, kernels),
    inputs,
    hold: (entry) => {
      held = { name: entry.name, tensor: checkpoint.read(entry, memoryFor(entry)) };
      return held.tensor;
    },
    release: () => {
      held = null;
    },
    bandsUnder: (layer, plans, configs, layouts) =>
      plans.every((plan) => allowsBands(plan, layer.name))
        ? bandsOf(checkpoint, layer, configs, layouts, bandBytes)
        : null,
  };
}

/** Counts the scores of a layer: of its bands, or of the layer as its only part. */
function countParts(
  { withPlans, sourceFor, workspaceOf }: Session,
  { config, bounds, leading, plans }: CountTask,
  parts: readonly SourcedLayer[],
): HalfCounts {
  function* sources(): Generator<LayerSource> {
    for (const [part, own] of withPlans(parts, plans)) yield sourceFor(part, config, own);
  }
  return countHalves(config, sources(), bounds, leading, workspaceOf(plans.length));
}

/** Returns the mask of a layer under all plans, and adds up the blocks that each of them prunes. */
function maskInto(
  { maskUnder }: Session,
  layer: SourcedLayer,
  plans: readonly LayerwisePlan[],
  prunedBlocks: number[],
): Uint8Array | null {
  const masks = plans.flatMap((_, number) => {
    const made = maskUnder(layer, plans, number);
    if (made === null) return [];
    prunedBlocks[number] = (prunedBlocks[number] ?? 0) + made.prunedBlocks;
    return [made.mask];
  });
  const [mask = null, ...more] = masks;
  return more.reduce((both, own) => both?.map((bit, i) => bit & (own[i] ?? 1)) ?? own, mask);
}

/** Prunes a tensor that consists of one layer, band after band. */
function pruneBands(
  session: Session,
  { entry, plans, layouts }: TensorTask,
  bands: readonly SourcedLayer[],
  put: PutBytes,
): TensorResult {
  const { inputs, withPlans, hold, release } = session;
  const prunedBlocks = plans.map(() => 0);
  function* pruned(): Generator<PrunedBand> {
    for (const [band, own] of withPlans(bands, plans)) {
      const { entry: place } = band.source;
      const tensor = hold(place);
      const mask = maskInto(session, band, own, prunedBlocks);
      yield { begin: place.begin - entry.begin, tensor, mask };
    }
  }
  try {
    return { ...putPruned(entry, pruned(), layouts, null, put, inputs.kernels), prunedBlocks };
  } finally {
    release();
  }
}

function pruneWhole(
  session: Session,
  { entry, layers, plans, layouts }: TensorTask,
  put: PutBytes,
): TensorResult {
  const { compressedBytes, kernels } = session.inputs;
  const prunedBlocks = plans.map(() => 0);
  try {
    const tensor = session.hold(entry);
    const maskOf: MaskOf = (layer) => maskInto(session, layer, plans, prunedBlocks);
    const mask = tensorMask(layers, elementCount(tensor.shape), maskOf);
    const whole = [{ begin: 0, tensor, mask }];
    return { ...putPruned(tensor, whole, layouts, compressedBytes, put, kernels), prunedBlocks };
  } finally {
    session.release();
  }
}

/** Creates functions that run tasks in this thread, one at a time, with one tensor or one band of it in memory. */
export function tasksHere(inputs: TaskInputs): PruningTasks {
  const session = createSession(inputs);
  return {
    atOnce: 1,
    count: async (task) => {
      const { layer, config, bounds, plans } = task;
      const configs = [config, ...plans.map((plan) => plan.config)];
      const bands = bounds === null ? session.bandsUnder(layer, plans, configs, []) : null;
      return preciseErrors(bands && (() => countParts(session, task, bands)), () =>
        countParts(session, task, [layer]),
      );
    },
    prune: async (task, put) => {
      const { layers, plans, layouts } = task;
      const [layer, ...others] = layers;
      const isPruned = plans.some((plan) => layer && plan.layers.has(layer.name));
      const canDivide = isPruned && others.length === 0 && inputs.compressedBytes === null;
      const configs = plans.map((plan) => plan.config);
      const bands = canDivide && layer ? session.bandsUnder(layer, plans, configs, layouts) : null;
      return preciseErrors(bands && (() => pruneBands(session, task, bands, put)), () =>
        pruneWhole(session, task, put),
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
