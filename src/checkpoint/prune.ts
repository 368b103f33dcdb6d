/** One-shot pruning of a checkpoint into a copy, one layer in memory at a time. */
import { sumOf } from "../core/sum.ts";
import type { Dtype } from "../io/dtypes.ts";
import type { StoredTensor } from "../io/safetensors.ts";
import type { Profile } from "../prune/config.ts";
import { elementCount } from "../prune/layer.ts";
import type { Pattern } from "../prune/pattern.ts";
import type { LayoutSpec } from "../sparse/layout.ts";
import type { CheckpointEntry } from "./checkpoint.ts";
import {
  type ChosenLayers,
  type ChosenTensor,
  type Coverage,
  chooseLayers,
  coverageOf,
  inModuleOrder,
  type LayerChoice,
  leaveTensor,
  withoutSkipped,
} from "./choice.ts";
import { type CopySink, copiedFiles } from "./copy.ts";
import { moduleName } from "./layers.ts";
import {
  type MaskRun,
  type Masks,
  masksAtOnce,
  masksLayerwise,
  type PrunedBlocks,
  type SourcedLayer,
  tensorMask,
} from "./masks.ts";
import { packedSize } from "./packed-tensor.ts";
import { type Assumption, assumptionsOf, type ModelEvidence, surveyCheckpoint } from "./survey.ts";
import { isFloatingPoint, zeroPruned } from "./zero-pruned.ts";

/** A checkpoint to prune, and how. */
export interface CheckpointPruning extends LayerChoice, Omit<MaskRun, "turn"> {
  /** What is known of the model besides its tensors. */
  readonly evidence?: ModelEvidence;
  /** Names of all of the model's modules in their order. Null: the order of the files. */
  readonly modules: readonly string[] | null;
  /** Called with the bytes of tensors read or written so far, and those of the whole run. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** {@link CheckpointPruning} with what the platform provides. */
interface PruningRun extends CheckpointPruning, MaskRun {
  /** The size of a tensor's bytes when they are compressed; null: not measured. */
  readonly compressedBytes: ((bytes: Uint8Array) => number) | null;
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
  /** All tensors: pruned, or left alone with the reason. */
  readonly coverage: Coverage;
  /** Roles that rest on names and dimensions alone. */
  readonly assumptions: readonly Assumption[];
  readonly pruners: readonly PrunedBlocks[];
  /** Names of tensors that share memory with a written one, each with the name of that one. */
  readonly tied: Readonly<Record<string, string>>;
  /** Files that were not copied because they hold weights of the original. */
  readonly leftOut: readonly string[];
  /** The sizes of all tensors. */
  readonly bytes: TensorBytes;
}

/** The compressed layouts of a sparsity pattern: its own, and the one for zeros anywhere. */
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

/** Tensors whose elements are no floats are left alone. */
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

/** Writes the copy, one tensor in memory at a time. */
async function writeMasked(
  { checkpoint, pruners, compressedBytes, turn }: PruningRun,
  layers: LayersByTensor,
  maskOf: Masks["maskOf"],
  advance: (bytes: number) => void,
  sink: CopySink,
) {
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
    const elements = elementCount(entry.shape);
    const mask = tensorMask(layers.get(entry.name) ?? [], elements, maskOf);
    advance(tensor.bytes.length);
    if (mask === null) {
      measure(tensor, []);
      return tensor.bytes;
    }
    const { bytes, zeros } = zeroPruned(mask, tensor);
    written.set(entry.name, {
      name: moduleName(entry.name),
      shape: entry.shape,
      dtype: entry.dtype,
      elements,
      zeros,
      bytes: measure({ ...tensor, bytes }, layouts),
    });
    return bytes;
  };
  const leftOut = await sink(copiedFiles({ checkpoint, change, turn }));
  return { written, sizes, leftOut };
}

/**
 * Prunes a checkpoint once, into a copy. Under `strict` memory is bounded by the largest tensor, in either scope; under
 * `inc` all layers are in memory. Kept elements and all other tensors keep their bits.
 *
 * @throws PruningError if the pruners cannot be carried out; what the sink and `turn` throw
 */
export async function writePruned(run: PruningRun, sink: CopySink): Promise<PrunedCheckpoint> {
  const { checkpoint, profile, pruners, onProgress } = run;
  const tensors = surveyCheckpoint(checkpoint, run.evidence);
  const choice = onlyFloats(chooseLayers(tensors, run));
  const chosen = inModuleOrder(choice.chosen, run.modules);
  const byTensor = layersByTensor(chosen);
  const layers = [...byTensor.values()].flat();
  const sizeOf = ({ begin, end }: CheckpointEntry): number => end - begin;
  const allBytes = sumOf(checkpoint.entries, sizeOf);
  // The passes of planning: three without bounds per layer, more with them.
  const isPlanned = profile === "strict" && pruners.some((one) => one.pruningScope === "global");
  let done = 0;
  let total = allBytes + (isPlanned ? 3 * sumOf(chosen, ({ tensor }) => sizeOf(tensor.entry)) : 0);
  const advance = (bytes: number): void => {
    done += bytes;
    total = Math.max(total, done);
    onProgress?.(done, total);
  };
  const masks =
    profile === "inc"
      ? masksAtOnce(run, layers)
      : await masksLayerwise(run, layers, ({ source, shape }) =>
          advance((sizeOf(source.entry) * elementCount(shape)) / elementCount(source.shape)),
        );
  total = done + allBytes;
  const copy = await writeMasked(run, byTensor, masks.maskOf, advance, sink);
  const { written, sizes, leftOut } = copy;
  return {
    profile,
    layers: chosen.flatMap(({ tensor }) => written.get(tensor.name) ?? []),
    coverage: coverageOf(withoutSkipped({ ...choice, chosen }, masks.skipped)),
    assumptions: assumptionsOf(tensors),
    pruners: masks.pruners(),
    tied: Object.fromEntries(checkpoint.tied),
    leftOut,
    bytes: sumOfBytes(sizes),
  };
}
