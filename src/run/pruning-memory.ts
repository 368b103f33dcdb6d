/** Kernels for one-shot pruning, with memory in which they work in place. */
import { BAND_BYTES } from "../checkpoint/bands.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { Backend } from "../kernels/backend.ts";
import { createPruningKernels } from "../train/pruning.ts";

/** Creates the pruning kernels of a backend, and memory for bands that the kernels use in place. */
export function pruningMemory(backend: Backend): {
  readonly kernels: PruningKernels;
  readonly bandMemory: () => Uint8Array;
} {
  const kernels = createPruningKernels(backend);
  const region = backend.memory.reserve(BAND_BYTES / Float32Array.BYTES_PER_ELEMENT);
  return {
    kernels,
    bandMemory: () => {
      const { buffer, byteOffset, byteLength } = backend.memory.float32(region);
      return new Uint8Array(buffer, byteOffset, byteLength);
    },
  };
}
