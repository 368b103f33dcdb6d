/** Writes a copy of a checkpoint in which the tensors with a row for each token have fewer rows. */
import { type Either, type Problem, unlessProblems } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { withoutWrappers } from "../io/parameter-names.ts";
import { layOutSafetensors, type TensorSize } from "../io/safetensors.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import { type CopiedFile, type CopySink, fileNames } from "./copy.ts";
import { type CheckpointRun, mergedMetadata } from "./pack.ts";

/** Matches the names of tensors with a row, or an element, for each token: embeddings and heads of masked language models. */
const BY_TOKEN =
  /(^|\.)(word_embeddings\.weight|(cls\.predictions|lm_head)\.(bias|decoder\.(weight|bias))|(vocab_projector|generator_lm_head)\.(weight|bias))(_orig|_mask)?$/;

/** Matches constants in old checkpoints, which have a row for each position. */
const BY_POSITION = /(^|\.)embeddings\.(position|token_type)_ids$/;

/** The tensors of a checkpoint with a row for each token. */
export type TokenTensors = ReadonlySet<string>;

/**
 * Finds the tensors with a row for each token, by their names. A tensor of another name is refused if one of its extents
 * is the size of the vocabulary, unless the model is known to have it.
 *
 * @param isKnown whether the model has a tensor of this name without rows for tokens
 */
export function findTokenTensors(
  { entries, path }: Checkpoint,
  vocabularySize: number,
  isKnown: (name: string) => boolean,
): Either<readonly Problem[], TokenTensors> {
  const problems: Problem[] = [];
  const found = new Set<string>();
  for (const { name, shape } of entries) {
    const plain = withoutWrappers(name);
    if (BY_TOKEN.test(plain)) {
      found.add(name);
      if (shape[0] === vocabularySize) continue;
      const expected = `${vocabularySize} rows, the vocab_size of config.json`;
      problems.push({ path: `${path}: ${name}`, expected, got: String(shape[0] ?? "a scalar") });
    } else if (shape.includes(vocabularySize) && !isKnown(name) && !BY_POSITION.test(plain))
      problems.push({
        path: `${path}: ${name}`,
        expected: "no tensor of this name with an extent for each token",
        got: `[${shape.join(", ")}]`,
      });
  }
  return unlessProblems(problems, found);
}

/** A checkpoint to write with fewer rows for tokens. */
export interface ShrunkRun extends CheckpointRun {
  /** The names of the tensors with a row for each token. */
  readonly tensors: TokenTensors;
  /** The rows that stay, ascending. */
  readonly kept: Int32Array;
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
  const { checkpoint, tensors, kept } = run;
  const shrunkShape = ({ name, shape }: CheckpointEntry): readonly number[] =>
    tensors.has(name) ? [kept.length, ...shape.slice(1)] : shape;
  const sizes = checkpoint.entries.map((entry) => {
    const { name, shape, begin, end } = entry;
    const rows = tensors.has(name) ? (shape[0] ?? 1) : 1;
    const bytes = end - begin;
    const shrunkBytes = tensors.has(name) ? (bytes / rows) * kept.length : bytes;
    return { name, shape, shrunkShape: shrunkShape(entry), bytes, shrunkBytes };
  });
  const { file, bytes } = weightsFile(run, sizes);
  const others = [...run.files].map(
    ([name, content]): CopiedFile => ({ name, write: async (put) => put(content, 0) }),
  );
  const replaced = [...fileNames(checkpoint), ...run.files.keys()];
  const leftOut = await sink({ files: [file, ...others], replaced, index: null });
  return {
    tensors: sizes.filter(({ name }) => tensors.has(name)),
    bytes: sumOf(checkpoint.files, (one) => one.bytes),
    shrunkBytes: bytes,
    leftOut,
  };
}

/** Plans the file of weights. Tensors are read and cut when it is written. */
function weightsFile(
  { checkpoint, tensors, kept, turn, onProgress }: ShrunkRun,
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
      const shrunk = tensors.has(entry.name) ? keptRows(bytes, entry.shape[0] ?? 0, kept) : bytes;
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

/** Copies the rows that stay. */
export function keptRows(bytes: Uint8Array, rows: number, kept: Int32Array): Uint8Array {
  const width = bytes.length / rows;
  const copy = new Uint8Array(width * kept.length);
  kept.forEach((row, i) => {
    copy.set(bytes.subarray(row * width, (row + 1) * width), i * width);
  });
  return copy;
}
