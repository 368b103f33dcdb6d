/** Writes a copy of a checkpoint in which some tensors lack rows or columns. */
import { sumOf } from "../core/sum.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { layOutSafetensors, type TensorSize } from "../io/safetensors.ts";
import { elementCount } from "../prune/layer.ts";
import type { CheckpointEntry } from "./checkpoint.ts";
import { type CopiedFile, type CopySink, fileNames } from "./copy.ts";
import { type CheckpointRun, mergedMetadata } from "./pack.ts";

/** The rows (axis 0) or the columns (axis 1) of a tensor that stay, ascending. */
export interface TensorCut {
  readonly axis: 0 | 1;
  readonly kept: Int32Array;
}

/** A checkpoint to write with smaller tensors. */
export interface ShrunkRun extends CheckpointRun {
  /** The cuts of tensors, by name. All others stay as they are. */
  readonly cuts: ReadonlyMap<string, TensorCut>;
  /** Other files to write in place of the original's, by name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The sizes of a checkpoint's tensors before and after. */
export interface ShrunkSizes {
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly shrunkShape: readonly number[];
    readonly bytes: number;
    readonly shrunkBytes: number;
  }[];
  /** The bytes of all weight files. */
  readonly bytes: number;
  readonly shrunkBytes: number;
  /** Files that were not copied because they hold the original weights. */
  readonly leftOut: readonly string[];
}

/**
 * Writes the tensors into one safetensors file, one in memory at a time, and the other files. All elements that stay keep
 * their bits.
 */
export async function writeShrunk(run: ShrunkRun, sink: CopySink): Promise<ShrunkSizes> {
  const { checkpoint, cuts } = run;
  const sizes = checkpoint.entries.map((entry) => {
    const { name, shape, begin, end } = entry;
    const shrunkShape = shapeAfter(entry, cuts.get(name));
    const bytes = end - begin;
    // The quotient is the size of an element, which is exact; a ratio of extents would be rounded.
    const shrunkBytes = (bytes / Math.max(1, elementCount(shape))) * elementCount(shrunkShape);
    return { name, shape, shrunkShape, bytes, shrunkBytes };
  });
  const { file, bytes } = weightsFile(run, sizes);
  const others = [...run.files].map(
    ([name, content]): CopiedFile => ({ name, write: async (put) => put(content, 0) }),
  );
  const replaced = [...fileNames(checkpoint), ...run.files.keys()];
  const leftOut = await sink({ files: [file, ...others], replaced, index: null });
  return {
    tensors: sizes.filter(({ name }) => cuts.has(name)),
    bytes: sumOf(checkpoint.files, (one) => one.bytes),
    shrunkBytes: bytes,
    leftOut,
  };
}

function shapeAfter({ shape }: CheckpointEntry, cut: TensorCut | undefined): readonly number[] {
  return cut === undefined
    ? shape
    : shape.map((extent, axis) => (axis === cut.axis ? cut.kept.length : extent));
}

/** Plans the file of weights. Tensors are read and cut when it is written. */
function weightsFile(
  { checkpoint, cuts, turn, onProgress }: ShrunkRun,
  sizes: readonly Pick<ShrunkSizes["tensors"][number], "name" | "shrunkShape" | "shrunkBytes">[],
): { readonly file: CopiedFile; readonly bytes: number } {
  const { files, layout, entries } = checkpoint;
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const laid = new Map(
    sizes.map(({ name, shrunkShape, shrunkBytes }): readonly [string, TensorSize] => {
      const dtype = byName.get(name)?.dtype ?? "F32";
      return [name, { dtype, shape: shrunkShape, byteLength: shrunkBytes }];
    }),
  );
  const { header, order } = layOutSafetensors(laid, mergedMetadata(checkpoint).metadata);
  const total = sumOf(entries, ({ begin, end }) => end - begin);
  const write: CopiedFile["write"] = async (put) => {
    put(header, 0);
    let position = header.length;
    let done = 0;
    for (const entry of order.flatMap((name) => byName.get(name) ?? [])) {
      await turn?.();
      const { bytes } = checkpoint.read(entry);
      const cut = cuts.get(entry.name);
      const shrunk = cut === undefined ? bytes : cutTensor(bytes, entry.shape, cut);
      put(shrunk, position);
      position += shrunk.length;
      done += bytes.length;
      onProgress?.(done, total);
    }
  };
  const name = layout === "file" ? (files[0]?.name ?? "") : HUGGING_FACE_FILES.weights;
  const bytes = header.length + sumOf(sizes, ({ shrunkBytes }) => shrunkBytes);
  return { file: { name, write }, bytes };
}

/** Copies the rows or the columns of a tensor that stay. */
export function cutTensor(
  bytes: Uint8Array,
  shape: readonly number[],
  { axis, kept }: TensorCut,
): Uint8Array {
  // A tensor has `blocks` of `extent` slices of `size` bytes.
  const blocks = axis === 0 ? 1 : (shape[0] ?? 1);
  const extent = shape[axis] ?? 1;
  const size = bytes.length / (blocks * extent);
  const copy = new Uint8Array(blocks * kept.length * size);
  let position = 0;
  for (let block = 0; block < blocks; block++)
    for (const slice of kept) {
      const begin = (block * extent + slice) * size;
      if (axis === 0) copy.set(bytes.subarray(begin, begin + size), position);
      else for (let i = 0; i < size; i++) copy[position + i] = bytes[begin + i] ?? 0;
      position += size;
    }
  return copy;
}
