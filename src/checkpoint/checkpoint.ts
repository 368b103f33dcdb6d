/** An open checkpoint, in any of the forms that its files can have. */

import type { StoredTensor } from "../io/safetensors.ts";
import type { SafetensorsEntry } from "../io/safetensors-header.ts";

/** A tensor of a checkpoint, and its place in a file. */
export interface CheckpointEntry extends SafetensorsEntry {
  readonly name: string;
  /** The name of its file, without directory. */
  readonly file: string;
  /** How a packed file stores it. `begin` and `end` then only give the number of bytes that it unpacks to. */
  readonly packed?: { readonly layout: string; readonly bytes: number };
}

interface CheckpointFile {
  readonly name: string;
  readonly bytes: number;
  /** The length of the header, after which the tensors begin. */
  readonly dataBegin: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An open checkpoint; {@link Checkpoint.close} closes its files. */
export interface Checkpoint {
  readonly path: string;
  /** `torch` is a state dict of PyTorch, the others are safetensors, `packed` with tensors in compressed layouts. */
  readonly layout: "file" | "sharded" | "torch" | "packed";
  readonly files: readonly CheckpointFile[];
  /** In the order of the files and of the tensors in them. Tensors that share memory appear once, by their first name. */
  readonly entries: readonly CheckpointEntry[];
  /** The other names of tensors that share memory, each with the name among the entries. */
  readonly tied: ReadonlyMap<string, string>;
  /** The path of the index that names the files; null for a single file. */
  readonly index: string | null;
  /** Reads a tensor. @throws the file system's error */
  read(entry: CheckpointEntry): StoredTensor;
  /** Reads a file's header, byte for byte. @throws the file system's error */
  readHeader(file: CheckpointFile): Uint8Array;
  close(): void;
}
