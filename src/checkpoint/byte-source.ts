/** A file in memory as the source of a checkpoint. */
import { plainBytes } from "../io/bytes.ts";
import type { CheckpointSource } from "./open-safetensors.ts";

export function byteSource(name: string, bytes: Uint8Array): CheckpointSource {
  const plain = plainBytes(bytes);
  return {
    name,
    size: plain.length,
    // Copies, because a reader may change what it reads.
    read: (begin, end) => plain.slice(begin, end),
    close: () => {},
  };
}
