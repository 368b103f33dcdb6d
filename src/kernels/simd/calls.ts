/**
 * Access to a module's functions, and the division of work into parts that threads share. Each operation has its own
 * loop over parts instead of passing a closure to a common loop: a training step runs thousands of operations, and
 * closures would be most of its allocations.
 */
import { describe } from "../../core/checks.ts";
import type { Kernels } from "../table.ts";
import type { Memory } from "./memory.ts";
import { missingKernel, partLength, type Scheduler, type WasmFunction } from "./scheduler.ts";

export interface KernelModule {
  readonly exports: WebAssembly.Exports;
  readonly scheduler: Scheduler;
  /** Returns the address of an array. @throws RangeError if the array is not a view of the module's memory */
  readonly addressOf: (array: Float32Array | Int32Array) => number;
  /** Whether an array is a view of the module's memory. */
  readonly holds: (array: ArrayBufferView) => boolean;
  readonly memory: Memory;
}

export function addressesIn(memory: WebAssembly.Memory): KernelModule["addressOf"] {
  return (array) => {
    if (array.buffer !== memory.buffer)
      throw new RangeError(
        `array: expected a view on the backend's memory (views die when it grows), got ${describe(array)} on another buffer`,
      );
    return array.byteOffset;
  };
}

type FunctionName =
  | keyof Kernels
  | "gatedBackward"
  | "gatedForward"
  | "gatherAddRows"
  | "int8GatherAddRows"
  | "layerNormParameterGradients"
  | "layerNormResidualForward";

export interface Wasm {
  /** The functions that return nothing. In a group, calls may be deferred. */
  readonly run: Readonly<Record<FunctionName, WasmFunction>>;
  readonly sumSquaredDifference: WasmFunction<number>;
  /** Returns the address of an array. @throws RangeError if the array has fewer than `count` elements */
  readonly at: (name: string, array: Float32Array | Int32Array, count: number) => number;
  /** These functions open and close the group of calls that runs the parts of an operation. */
  readonly openGroup: Scheduler["openGroup"];
  readonly closeGroup: Scheduler["closeGroup"];
  /** These functions return the number of elements, rows or columns in each part of an operation. */
  readonly partOfElements: (count: number) => number;
  readonly partOfRows: (rows: number, columns: number) => number;
  readonly partOfColumns: (rows: number, columns: number) => number;
}

/** The minimum number of elements in a part. */
const LEAST_ELEMENTS = 1 << 15;
/** The number of elements or columns in a part is a multiple of this, so that a part consists of whole cache lines. */
const ELEMENT_STEP = 64;

/** The minimum number of rows or columns in a part, if each row or column has `elements` elements. */
function leastLines(elements: number, step: number): number {
  return Math.max(step, Math.ceil(LEAST_ELEMENTS / Math.max(1, elements)));
}

export function wasmOf(module: KernelModule): Wasm {
  const { scheduler } = module;
  return {
    run: scheduler.functions as Wasm["run"],
    sumSquaredDifference: (module.exports.sumSquaredDifference ??
      missingKernel("sumSquaredDifference")) as Wasm["sumSquaredDifference"],
    openGroup: scheduler.openGroup,
    closeGroup: scheduler.closeGroup,
    partOfElements: (count) => partLength(scheduler, count, LEAST_ELEMENTS, ELEMENT_STEP),
    partOfRows: (rows, columns) => partLength(scheduler, rows, leastLines(columns, 1), 1),
    partOfColumns: (rows, columns) =>
      partLength(scheduler, columns, leastLines(rows, ELEMENT_STEP), ELEMENT_STEP),
    at: (name, array, count) => {
      if (array.length < count)
        throw new RangeError(`${name}: expected at least ${count} elements, got ${array.length}`);
      return module.addressOf(array);
    },
  };
}
