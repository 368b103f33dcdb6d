/** What an open checkpoint is, whatever form its files have. */

import type { StoredTensor } from "../io/safetensors.ts";
import type { SafetensorsEntry } from "../io/safetensors-header.ts";

/** A tensor of a checkpoint, and where it lies. */
export interface CheckpointEntry extends SafetensorsEntry {
  readonly name: string;
  /** The file that has it, without its directory. */
  readonly file: string;
  /** How it is stored in a packed file, and in how many bytes; `begin` and `end` then only say how many it unpacks to. */
  readonly packed?: { readonly layout: string; readonly bytes: number };
}

/** One file of a checkpoint. */
interface CheckpointFile {
  readonly name: string;
  readonly bytes: number;
  /** Where the tensors begin: what stands before is the header. */
  readonly dataBegin: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An open checkpoint; {@link Checkpoint.close} closes its files. */
export interface Checkpoint {
  readonly path: string;
  /** `torch`: a state dict of PyTorch; the others are of safetensors, `packed` with tensors in compressed layouts. */
  readonly layout: "file" | "sharded" | "torch" | "packed";
  readonly files: readonly CheckpointFile[];
  /** In the order of the files and in them; tensors that share their memory once, by the first name. */
  readonly entries: readonly CheckpointEntry[];
  /** Further names of tensors, by the name that stands among the entries. */
  readonly tied: ReadonlyMap<string, string>;
  /** The path of the index that names the files; null for a single file. */
  readonly index: string | null;
  /** Reads a tensor from disk. @throws the file system's error */
  read(entry: CheckpointEntry): StoredTensor;
  /** Reads a file's header, as it stands there. @throws the file system's error */
  readHeader(file: CheckpointFile): Uint8Array;
  close(): void;
}
