/** Prunes a checkpoint in one shot into a copy. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { sumOf } from "../core/sum.ts";
import type { Dtype } from "../io/dtypes.ts";
import { type StoredTensor, toFloat32 } from "../io/safetensors.ts";
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
import { formatPattern, type Pattern } from "../prune/pattern.ts";
import { plainKernels } from "../prune/plain-kernels.ts";
import type { SkippedLayer } from "../prune/select.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { type CopySink, copiedFiles } from "./copy.ts";
import {
  isFloatingPoint,
  isPrunable,
  roleOfTensor,
  selectableLayers,
  type TensorRole,
} from "./layers.ts";
import { packedSize } from "./packed-tensor.ts";
import { zeroPruned } from "./zero-pruned.ts";

export interface CheckpointPruning {
  readonly checkpoint: Checkpoint;
  /** One-shot pruners, all due at the same step. */
  readonly pruners: readonly PatternPrunerConfig[];
  readonly profile: Profile;
  /** Whether to exclude layers whose names are names of heads. */
  readonly excludeHead: boolean;
  /** Names of all modules in module order. Null: the order of the files. */
  readonly modules: readonly string[] | null;
  /** The gradients of the weights, under the same names. */
  readonly gradients: Checkpoint | null;
  readonly kernels?: PruningKernels;
  /** Called with the bytes of tensors read or written so far, and the total of the run. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** {@link CheckpointPruning} and functions of the platform. */
interface PruningRun extends CheckpointPruning {
  /** Returns the compressed size of bytes; null: not measured. */
  readonly compressedBytes: ((bytes: Uint8Array) => number) | null;
  /** Awaited before each layer or tensor, so that other work can run. If it rejects, no output remains. */
  readonly turn: () => Promise<void>;
}

interface PrunedCheckpointLayer {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly elements: number;
  /** Zeros in the written weight. */
  readonly zeros: number;
  readonly bytes: TensorBytes;
}

/** Sizes of tensors: as written, in the smallest layout for the pruners' patterns, and compressed. */
interface TensorBytes {
  readonly dense: number;
  readonly packed: number;
  readonly gzip: number | null;
}

/** The result of pruning a checkpoint. */
export interface PrunedCheckpoint {
  readonly profile: Profile;
  readonly layers: readonly PrunedCheckpointLayer[];
  /** Excluded layers and the reasons. */
  readonly skipped: readonly SkippedLayer[];
  /** For each pruner, the numbers of pruned and of all blocks, or groups for N:M. */
  readonly pruners: readonly {
    readonly pattern: string;
    readonly prunedBlocks: number;
    readonly blocks: number;
  }[];
  /** Other names of tensors that share memory, each mapped to the name that is written. */
  readonly tied: Readonly<Record<string, string>>;
  /** Files that were not copied because they hold weights of the original. */
  readonly leftOut: readonly string[];
  /** The sizes of all tensors. */
  readonly bytes: TensorBytes;
}

interface Layer {
  readonly role: TensorRole;
  readonly entry: CheckpointEntry;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Finds an embedding with the same bits as a layer. Safetensors files cannot say that tensors share memory, and a
 * loader that ties the two tensors again keeps only one of them.
 */
function sameEmbedding(checkpoint: Checkpoint, layer: CheckpointEntry): string | undefined {
  const alike = checkpoint.entries.filter(
    (entry) =>
      roleOfTensor(entry).kind === "embedding" &&
      entry.dtype === layer.dtype &&
      entry.shape.join() === layer.shape.join(),
  );
  if (alike.length === 0) return undefined;
  const { bytes } = checkpoint.read(layer);
  return alike.find((entry) => equalBytes(checkpoint.read(entry).bytes, bytes))?.name;
}

/** Splits the layers into layers that pruners may select and excluded layers. */
function layersOf({ checkpoint, ...options }: CheckpointPruning) {
  const entries = new Map(checkpoint.entries.map((entry) => [entry.name, entry]));
  const { layers, skipped } = selectableLayers(checkpoint.entries, options);
  const otherRoles = [...checkpoint.tied].flatMap(([alias, name]) => {
    const { kind } = roleOfTensor({ name: alias, shape: entries.get(name)?.shape ?? [] });
    return [{ alias, name, kind }];
  });
  const found: Layer[] = [];
  const tied: SkippedLayer[] = [];
  for (const role of layers) {
    const entry = entries.get(role.name);
    const other = otherRoles.find(({ name, kind }) => name === role.name && kind !== role.kind);
    const same =
      other?.alias ??
      (entry && isPrunable(role.kind) ? sameEmbedding(checkpoint, entry) : undefined);
    if (same !== undefined) tied.push({ name: role.module, reason: `the same as ${same}` });
    else if (entry !== undefined) found.push({ role, entry });
  }
  return { layers: found, skipped: [...skipped, ...tied] };
}

function readGradient(gradients: Checkpoint, { name, shape }: TensorRole): Float32Array {
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

function readLayer(
  pruning: CheckpointPruning,
  { role, entry }: Layer,
  config: readonly PatternPrunerConfig[],
) {
  const { checkpoint, gradients } = pruning;
  const wants = config.some(({ criterion }) => needsGradient(criterion));
  return {
    data: toFloat32(checkpoint.read(entry)),
    gradient: wants && gradients !== null ? readGradient(gradients, role) : null,
  };
}

interface Masks {
  readonly maskOf: (layer: Layer) => Uint8Array | null;
  readonly skipped: PrunedCheckpoint["skipped"];
  readonly pruners: () => PrunedCheckpoint["pruners"];
}

/** Computes all masks at once, with all layers in memory: under `inc`, layers influence each other. */
function masksAtOnce(pruning: CheckpointPruning, layers: readonly Layer[]): Masks {
  const { pruners, profile } = pruning;
  const records: readonly LayerRecord[] = layers.map((layer) => {
    const { module: name, kind, shape } = layer.role;
    return { name, kind, shape, ...readLayer(pruning, layer, pruners) };
  });
  const { masks, skipped, statistics } = pruneAtOnce(pruners, records, profile, false);
  const made = statistics.pruners.map(({ pattern, blocks }) => ({
    pattern,
    prunedBlocks: blocks.zeros,
    blocks: blocks.total,
  }));
  return { maskOf: ({ role }) => masks.get(role.module) ?? null, skipped, pruners: () => made };
}

/** Computes masks under `strict`, with one layer in memory at a time. */
async function masksLayerwise(
  pruning: PruningRun,
  layers: readonly Layer[],
  onRead: (layer: Layer) => void,
): Promise<Masks> {
  const { pruners, turn, kernels = plainKernels } = pruning;
  const byName = new Map(layers.map((layer) => [layer.role.module, layer]));
  const plans: LayerwisePlan[] = [];
  const pruned = pruners.map(() => 0);
  /** A layer with the masks of all pruners before this one applied. */
  const sourceFor = (layer: Layer, number: number): LayerSource => {
    const { module: name, kind, shape } = layer.role;
    const read = () => {
      const values = readLayer(pruning, layer, pruners.slice(number, number + 1));
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
  const maskOf = (layer: Layer): Uint8Array | null => {
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

/** The candidate layouts for a sparsity pattern: its own layout and the layout for unstructured zeros. */
function layoutsFor(pattern: Pattern): readonly LayoutSpec[] {
  const anywhere: LayoutSpec = { layout: "bitmask" };
  if (pattern.kind === "group")
    return [{ layout: "groups", prune: pattern.prune, of: pattern.of }, anywhere];
  const { height, width } = pattern;
  if (height === "channel" || width === "channel") return [{ layout: "channels" }, anywhere];
  return [{ layout: "blocks", block: [height, width] }, anywhere];
}

function sumOfBytes(sizes: readonly TensorBytes[]): TensorBytes {
  const isCompressed = sizes.every(({ gzip }) => gzip !== null);
  return {
    dense: sumOf(sizes, ({ dense }) => dense),
    packed: sumOf(sizes, ({ packed }) => packed),
    gzip: isCompressed ? sumOf(sizes, ({ gzip }) => gzip ?? 0) : null,
  };
}

/**
 * Prunes a checkpoint once into a copy. Under `strict`, memory is bounded by the largest tensor in either scope; under
 * `inc`, all layers are in memory. Kept elements and all other tensors keep their bits.
 *
 * @throws PruningError if the pruners cannot be applied; what the sink and `turn` throw
 */
export async function writePruned(run: PruningRun, sink: CopySink): Promise<PrunedCheckpoint> {
  const { checkpoint, profile, pruners, compressedBytes, turn, onProgress } = run;
  const { layers, skipped } = layersOf(run);
  const sizeOf = ({ begin, end }: CheckpointEntry): number => end - begin;
  const allBytes = sumOf(checkpoint.entries, sizeOf);
  // Planning reads all layers three times, or more often with per-layer bounds. `total` then grows.
  const isPlanned = profile === "strict" && pruners.some((one) => one.pruningScope === "global");
  let done = 0;
  let total = allBytes + (isPlanned ? 3 * sumOf(layers, ({ entry }) => sizeOf(entry)) : 0);
  const advance = (bytes: number): void => {
    done += bytes;
    total = Math.max(total, done);
    onProgress?.(done, total);
  };
  const masks =
    profile === "inc"
      ? masksAtOnce(run, layers)
      : await masksLayerwise(run, layers, ({ entry }) => advance(sizeOf(entry)));
  total = done + allBytes;
  const byTensor = new Map(layers.map((layer) => [layer.entry.name, layer]));
  const written = new Map<string, PrunedCheckpointLayer>();
  const layouts = pruners.flatMap(({ pattern }) => layoutsFor(pattern));
  const sizes: TensorBytes[] = [];
  const measure = (tensor: StoredTensor, specs: readonly LayoutSpec[]): TensorBytes => {
    const { length: dense } = tensor.bytes;
    const packed = specs.length === 0 ? dense : packedSize(tensor, specs).bytes;
    const size = { dense, packed, gzip: compressedBytes?.(tensor.bytes) ?? null };
    sizes.push(size);
    return size;
  };
  const change = (entry: CheckpointEntry, tensor: StoredTensor): Uint8Array => {
    const layer = byTensor.get(entry.name);
    const mask = layer === undefined ? null : masks.maskOf(layer);
    advance(tensor.bytes.length);
    if (layer === undefined || mask === null) {
      measure(tensor, []);
      return tensor.bytes;
    }
    const { bytes, zeros } = zeroPruned(mask, tensor);
    written.set(entry.name, {
      name: layer.role.module,
      shape: entry.shape,
      dtype: entry.dtype,
      elements: mask.length,
      zeros,
      bytes: measure({ ...tensor, bytes }, layouts),
    });
    return bytes;
  };
  const leftOut = await sink(copiedFiles({ checkpoint, change, turn }));
  return {
    profile,
    layers: layers.flatMap(({ entry }) => written.get(entry.name) ?? []),
    skipped: [...skipped, ...masks.skipped],
    pruners: masks.pruners(),
    tied: Object.fromEntries(checkpoint.tied),
    leftOut,
    bytes: sumOfBytes(sizes),
  };
}
