/** A file in memory as the source of a checkpoint. */
import type { CheckpointSource } from "./open.ts";

export function byteSource(name: string, bytes: Uint8Array): CheckpointSource {
  return {
    name,
    size: bytes.length,
    read: (begin, end) => bytes.slice(begin, end),
    close: () => {},
  };
}
