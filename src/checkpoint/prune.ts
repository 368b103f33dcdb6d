/** Prunes a checkpoint in a single step, into a copy. */
import { inLanes } from "../core/lanes.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import type { Dtype } from "../io/dtypes.ts";
import type { Profile } from "../prune/config.ts";
import { elementCount } from "../prune/layer.ts";
import { type LayerwisePlan, layerwisePlanning } from "../prune/layerwise.ts";
import { skippedByAll } from "../prune/once.ts";
import { formatPattern, type Pattern } from "../prune/pattern.ts";
import type { SkippedLayer } from "../prune/select.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import type { CheckpointEntry } from "./checkpoint.ts";
import {
  type ChosenLayers,
  type ChosenTensor,
  chooseLayers,
  inModuleOrder,
  type LayerChoice,
  leaveTensor,
  requireLayers,
  withoutSkipped,
} from "./choice.ts";
import { type CopySink, filesOf, type PutBytes, type TensorPlace } from "./copy.ts";
import { accountFor, type TensorAccount } from "./coverage.ts";
import { moduleName } from "./layers.ts";
import {
  type MaskRun,
  masksAtOnce,
  type PrunedBlocks,
  type SourcedLayer,
  tensorMask,
} from "./masks.ts";
import { planFor } from "./pruned-layers.ts";
import {
  type CompressedBytes,
  type PrunedTensor,
  putPruned,
  type TensorSizes,
} from "./pruned-tensor.ts";
import { type PruningTasks, type TensorTask, tasksHere } from "./pruning-tasks.ts";
import { type ModelEvidence, surveyCheckpoint } from "./survey.ts";
import { isFloatingPoint } from "./zero-pruned.ts";

/** A checkpoint to prune, and the settings for it. */
export interface CheckpointPruning extends LayerChoice, MaskRun {
  /** Information about the model that its tensors do not contain. */
  readonly evidence?: ModelEvidence;
  /** The names of all of the model's modules, in module order. Null: layers keep the order of the files. */
  readonly modules: readonly string[] | null;
  /** The kernels to use instead of those in plain JavaScript. */
  readonly kernels?: PruningKernels;
  /** Memory of the kernels for a part of a weight, which they use in place. Always returns the same memory. */
  readonly bandMemory?: () => Uint8Array;
  /** Called with the number of tensor bytes read or written so far, and the expected total. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** {@link CheckpointPruning} with the functions that the platform provides. */
interface PruningRun extends CheckpointPruning {
  readonly compressedBytes: CompressedBytes;
  /** Runs the tasks on other threads. Null: they run in this thread. */
  readonly tasks: PruningTasks | null;
  /** Awaited before each layer or tensor, to let other work run. If it rejects, the run stops and leaves no output. */
  readonly turn: () => Promise<void>;
}

interface PrunedCheckpointLayer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly elements: number;
  /** The number of zeros in the written weight. */
  readonly zeros: number;
  readonly bytes: TensorSizes;
}

/** The result of pruning a checkpoint. */
export interface PrunedCheckpoint extends TensorAccount {
  readonly profile: Profile;
  readonly layers: readonly PrunedCheckpointLayer[];
  readonly pruners: readonly PrunedBlocks[];
  /** Other names of tensors that share memory, each mapped to the name that is written. */
  readonly tied: Readonly<Record<string, string>>;
  /** Files that were not copied because they hold the original weights. */
  readonly leftOut: readonly string[];
  /** The sizes of all tensors. */
  readonly bytes: TensorSizes;
}

/** Returns the compressed layouts for a pattern: its own, and the bitmask for zeros in any position. */
function layoutsFor(pattern: Pattern): readonly LayoutSpec[] {
  const anywhere: LayoutSpec = { layout: "bitmask" };
  if (pattern.kind === "group")
    return [{ layout: "groups", prune: pattern.prune, of: pattern.of }, anywhere];
  const { height, width } = pattern;
  if (height === "channel" || width === "channel") return [{ layout: "channels" }, anywhere];
  return [{ layout: "blocks", block: [height, width] }, anywhere];
}

function sumOfBytes(sizes: readonly TensorSizes[]): TensorSizes {
  const isCompressed = sizes.every(({ gzip }) => gzip !== null);
  return {
    dense: sumOf(sizes, ({ dense }) => dense),
    packed: sumOf(sizes, ({ packed }) => packed),
    gzip: isCompressed ? sumOf(sizes, ({ gzip }) => gzip ?? 0) : null,
  };
}

/** Leaves alone all tensors whose elements are not floats. */
function onlyFloats({ chosen, left }: ChosenLayers): ChosenLayers {
  const isFloats = ({ tensor }: ChosenTensor): boolean => isFloatingPoint(tensor.entry.dtype);
  const others = chosen.filter((one) => !isFloats(one));
  return {
    chosen: chosen.filter(isFloats),
    left: [
      ...left,
      ...others.map(({ tensor }) =>
        leaveTensor(tensor, `${tensor.entry.dtype} elements cannot be pruned`),
      ),
    ],
  };
}

type LayersByTensor = ReadonlyMap<string, readonly SourcedLayer[]>;

function layersByTensor(chosen: readonly ChosenTensor[]): LayersByTensor {
  return new Map(
    chosen.map(({ tensor: source, layers }) => [
      source.name,
      layers.map((layer): SourcedLayer => ({ ...layer, source })),
    ]),
  );
}

/** Prunes a tensor that consists of the given layers, and writes it to `place`, in another thread or with `put`. */
type PruneTensor = (
  tensor: Pick<TensorTask, "entry" | "layers" | "layouts" | "place">,
  put: PutBytes,
) => PrunedTensor | Promise<PrunedTensor>;

/** Plans all pruners under `strict`. Calls `onRead` each time a layer has been read. */
async function planPruners(
  { pruners, turn }: PruningRun,
  tasks: PruningTasks,
  layers: readonly SourcedLayer[],
  onRead: (layer: SourcedLayer) => void,
): Promise<readonly LayerwisePlan[]> {
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  const plans: LayerwisePlan[] = [];
  for (const config of pruners) {
    const planning = layerwisePlanning(config, layers);
    let step = planning.next();
    while (!step.done) {
      const { leading } = step.value;
      const passes = step.value.layers.flatMap(({ name, bounds }) => {
        const layer = byName.get(name);
        return layer ? [{ layer, bounds }] : [];
      });
      const counts = await inLanes(passes, tasks.atOnce, async ({ layer, bounds }) => {
        await turn();
        const own = plans.map((plan) => planFor(plan, [layer]));
        const counted = await tasks.count({ layer, config, bounds, leading, plans: own });
        onRead(layer);
        return counted;
      });
      step = planning.next(counts);
    }
    plans.push(step.value);
  }
  return plans;
}

/** Prunes single tensors, and reports the number of pruned blocks when all tensors are done. */
interface Pruning {
  readonly pruneTensor: PruneTensor;
  readonly atOnce: number;
  readonly skipped: readonly SkippedLayer[];
  readonly prunedBlocks: () => readonly PrunedBlocks[];
}

/** Plans pruning under `strict`, with at most one tensor in memory for each thread. */
async function pruneLayerwise(
  run: PruningRun,
  layers: readonly SourcedLayer[],
  onRead: (layer: SourcedLayer) => void,
): Promise<Pruning> {
  const tasks = run.tasks ?? tasksHere(run);
  const plans = await planPruners(run, tasks, layers, onRead);
  const pruned = plans.map(() => 0);
  return {
    atOnce: tasks.atOnce,
    skipped: skippedByAll(plans.map(({ skipped }) => skipped)),
    pruneTensor: async (tensor, put) => {
      const plansOf = plans.map((plan) => planFor(plan, tensor.layers));
      const result = await tasks.prune({ ...tensor, plans: plansOf }, put);
      result.prunedBlocks.forEach((count, i) => {
        pruned[i] = (pruned[i] ?? 0) + count;
      });
      return result;
    },
    prunedBlocks: () =>
      plans.map(({ config, blocks }, i) => ({
        pattern: formatPattern(config.pattern),
        prunedBlocks: pruned[i] ?? 0,
        blocks,
      })),
  };
}

/** Plans pruning under `inc`, with all layers in memory. */
function pruneTogether(run: PruningRun, layers: readonly SourcedLayer[]): Pruning {
  const { maskOf, skipped, pruners } = masksAtOnce(run, layers);
  return {
    atOnce: 1,
    skipped,
    pruneTensor: ({ entry, layers: own, layouts }, put) => {
      const tensor = run.checkpoint.read(entry);
      const mask = tensorMask(own, elementCount(tensor.shape), maskOf);
      const whole = [{ begin: 0, tensor, mask }];
      return putPruned(tensor, whole, layouts, run.compressedBytes, put);
    },
    prunedBlocks: () => pruners,
  };
}

/** Writes the pruned copy. */
async function writeTensors(
  { checkpoint, pruners, compressedBytes, turn }: PruningRun,
  layers: LayersByTensor,
  { pruneTensor, atOnce }: Pruning,
  advance: (bytes: number) => void,
  sink: CopySink,
) {
  const written = new Map<string, PrunedCheckpointLayer>();
  const layouts = pruners.flatMap(({ pattern }) => layoutsFor(pattern));
  const sizes: TensorSizes[] = [];
  const write = async (
    entry: CheckpointEntry,
    place: TensorPlace,
    put: PutBytes,
  ): Promise<void> => {
    const own = layers.get(entry.name);
    const unpruned = (): PrunedTensor => {
      const whole = [{ begin: 0, tensor: checkpoint.read(entry), mask: null }];
      return putPruned(entry, whole, [], compressedBytes, put);
    };
    const { zeros, sizes: bytes } =
      own === undefined
        ? unpruned()
        : await pruneTensor({ entry, layers: own, layouts, place }, put);
    advance(bytes.dense);
    sizes.push(bytes);
    if (zeros !== null)
      written.set(entry.name, {
        name: moduleName(entry.name),
        shape: entry.shape,
        dtype: entry.dtype,
        elements: elementCount(entry.shape),
        zeros,
        bytes,
      });
  };
  const leftOut = await sink(filesOf({ checkpoint, write, atOnce, turn }));
  return { written, sizes, leftOut };
}

/**
 * Prunes a checkpoint in a single step, into a copy. Under `strict`, in both scopes, each thread has at most one tensor
 * in memory; under `inc`, all layers are in memory. Kept elements and all other tensors keep their bits.
 *
 * @throws PruningError if the pruners cannot be carried out; errors from the sink or `turn`
 */
export async function writePruned(run: PruningRun, sink: CopySink): Promise<PrunedCheckpoint> {
  const { checkpoint, profile, pruners, onProgress } = run;
  const tensors = surveyCheckpoint(checkpoint, run.evidence);
  const choice = onlyFloats(chooseLayers(tensors, run));
  requireLayers(checkpoint.path, choice, "prune");
  const chosen = inModuleOrder(choice.chosen, run.modules);
  const byTensor = layersByTensor(chosen);
  const layers = [...byTensor.values()].flat();
  const sizeOf = ({ begin, end }: CheckpointEntry): number => end - begin;
  const allBytes = sumOf(checkpoint.entries, sizeOf);
  // Planning reads the layers twice, or more often if there are per-layer bounds.
  const isPlanned = profile === "strict" && pruners.some((one) => one.pruningScope === "global");
  let done = 0;
  let total = allBytes + (isPlanned ? 2 * sumOf(chosen, ({ tensor }) => sizeOf(tensor.entry)) : 0);
  const advance = (bytes: number): void => {
    done += bytes;
    total = Math.max(total, done);
    onProgress?.(done, total);
  };
  const pruning =
    profile === "inc"
      ? pruneTogether(run, layers)
      : await pruneLayerwise(run, layers, ({ source, shape }) =>
          advance((sizeOf(source.entry) * elementCount(shape)) / elementCount(source.shape)),
        );
  total = done + allBytes;
  const copy = await writeTensors(run, byTensor, pruning, advance, sink);
  const { written, sizes, leftOut } = copy;
  return {
    profile,
    layers: chosen.flatMap(({ tensor }) => written.get(tensor.name) ?? []),
    ...accountFor(tensors, withoutSkipped({ ...choice, chosen }, pruning.skipped)),
    pruners: pruning.prunedBlocks(),
    tied: Object.fromEntries(checkpoint.tied),
    leftOut,
    bytes: sumOfBytes(sizes),
  };
}
