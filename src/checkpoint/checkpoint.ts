/** An open checkpoint in any of the supported file formats. */

import type { StoredTensor } from "../io/safetensors.ts";
import type { SafetensorsEntry } from "../io/safetensors-header.ts";

/** A tensor of a checkpoint and its place in a file. */
export interface CheckpointEntry extends SafetensorsEntry {
  readonly name: string;
  /** The name of the file, without its directory. */
  readonly file: string;
  /** The layout in a packed file. `end - begin` is then the size of the unpacked tensor, not a position in the file. */
  readonly packed?: { readonly layout: string; readonly bytes: number };
}

interface CheckpointFile {
  readonly name: string;
  readonly bytes: number;
  /** The length of the header. The tensors follow it. */
  readonly dataBegin: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An open checkpoint; {@link Checkpoint.close} closes its files. */
export interface Checkpoint {
  readonly path: string;
  /** `torch` is a PyTorch state dict, the others are safetensors. `packed` has tensors in compressed layouts. */
  readonly layout: "file" | "sharded" | "torch" | "packed";
  readonly files: readonly CheckpointFile[];
  /** In file order. Tensors that share memory appear once, under their first name. */
  readonly entries: readonly CheckpointEntry[];
  /** The other names of tensors that share memory, each mapped to a name in `entries`. */
  readonly tied: ReadonlyMap<string, string>;
  /** The path of the index that names the files; null for a single file. */
  readonly index: string | null;
  /**
   * Reads a tensor.
   *
   * @param memory the bytes may be read to its begin, if it is large enough. Fresh memory takes longer to fill.
   * @throws the file system's error
   */
  read(entry: CheckpointEntry, memory?: Uint8Array): StoredTensor;
  /** Reads a file's header, byte for byte. @throws the file system's error */
  readHeader(file: CheckpointFile): Uint8Array;
  close(): void;
}
