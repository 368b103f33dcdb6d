import type { Memory } from "./memory.ts";
import type { Kernels, KernelVariant } from "./table.ts";

/** Kernels with the memory that they work on. Everything that computes takes one. */
export interface Backend {
  readonly kernels: Kernels;
  readonly memory: Memory;
}

/** What to run on: `auto` takes the fastest variant that the engine and the page's policy allow. */
export interface BackendOptions {
  readonly variant?: KernelVariant | "auto";
}
