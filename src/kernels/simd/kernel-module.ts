/** An instantiated WASM module, and addresses in its memory. */
import { describe } from "../../core/checks.ts";
import type { Memory } from "./memory.ts";
import type { Scheduler } from "./scheduler.ts";

/** An instantiated module of kernels. */
export interface KernelModule {
  readonly exports: WebAssembly.Exports;
  /** Runs the functions without a result. */
  readonly scheduler: Scheduler;
  /** The address of an array. @throws RangeError if it is not a view of the module's memory */
  readonly addressOf: (array: Float32Array | Int32Array) => number;
  /** Whether an array is a view of the module's memory. */
  readonly holds: (array: ArrayBufferView) => boolean;
  /** For working space that a kernel allocates once. */
  readonly memory: Memory;
}

/** The addresses of arrays in a linear memory. */
export function addressesIn(memory: WebAssembly.Memory): KernelModule["addressOf"] {
  return (array) => {
    if (array.buffer !== memory.buffer)
      throw new RangeError(
        `array: expected a view on the backend's memory (views die when it grows), got ${describe(array)} on another buffer`,
      );
    return array.byteOffset;
  };
}
