/** An open checkpoint in any of the supported file formats. */

import type { StoredTensor } from "../io/safetensors.ts";
import type { SafetensorsEntry } from "../io/safetensors-header.ts";
import type { Int8Matrix } from "../sparse/int8.ts";

/** A tensor of a checkpoint, and its position in its file. */
export interface CheckpointEntry extends SafetensorsEntry {
  readonly name: string;
  /** The name of the tensor's file, without the directory. */
  readonly file: string;
  /**
   * The tensor's layout and stored size in a packed file. `end - begin` is then the size of the unpacked tensor, not a
   * range in the file.
   */
  readonly packed?: { readonly layout: string; readonly bytes: number };
}

interface CheckpointFile {
  readonly name: string;
  readonly bytes: number;
  /** The length of the header in bytes. The data of the tensors follows it. */
  readonly dataBegin: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An open checkpoint; {@link Checkpoint.close} closes its files. */
export interface Checkpoint {
  readonly path: string;
  /**
   * `file`: one safetensors file. `sharded`: several safetensors files with an index. `torch`: a PyTorch state dict.
   * `packed`: a safetensors file with tensors in compressed layouts.
   */
  readonly layout: "file" | "sharded" | "torch" | "packed";
  readonly files: readonly CheckpointFile[];
  /** The tensors, in file order. Tensors that share memory appear once, under their first name. */
  readonly entries: readonly CheckpointEntry[];
  /** The other names of tensors that share memory, each mapped to a name in `entries`. */
  readonly tied: ReadonlyMap<string, string>;
  /** The path of the safetensors index that lists the files; null for a single file and for PyTorch files. */
  readonly index: string | null;
  /**
   * Reads a tensor.
   *
   * @param memory a buffer into which the bytes may be read if it is large enough; reusing memory is faster than
   *   allocating it
   * @throws the file system's error
   */
  read(entry: CheckpointEntry, memory?: Uint8Array): StoredTensor;
  /**
   * Reads the matrix of a tensor that is stored in eight bits with a scale for each row; undefined for other tensors. In
   * checkpoints that are not packed, the function is absent.
   *
   * @throws InputError for a damaged tensor, or the file system's error
   */
  readonly readInt8?: (entry: CheckpointEntry) => Int8Matrix | undefined;
  /** Reads a file's header, byte for byte. @throws the file system's error */
  readHeader(file: CheckpointFile): Uint8Array;
  close(): void;
}
