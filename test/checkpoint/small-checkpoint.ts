/** Small checkpoints in memory. */
import { byteSource } from "../../src/checkpoint/byte-source.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openCheckpointFile } from "../../src/checkpoint/open.ts";
import { getOrThrow } from "../../src/core/either.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";

/** A tensor with the values 0, 1, 2 and so on. */
export function tensor(...shape: number[]): StoredTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return tensorFromFloat32(
    "F32",
    shape,
    Float32Array.from({ length: count }, (_, i) => i),
  );
}

/** Writes tensors to a safetensors file in memory, and opens it. */
export function opened(
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Checkpoint {
  const bytes = writeSafetensors(new Map(Object.entries(tensors)), metadata);
  return getOrThrow(openCheckpointFile(byteSource("model.safetensors", bytes)));
}
