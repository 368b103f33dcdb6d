/**
 * The module's functions as the operations call them: with addresses, and in parts that threads share. Operations loop
 * over the parts themselves, because a step runs thousands of them, and closures would dominate its allocations.
 */
import { describe } from "../../core/checks.ts";
import { checkCount } from "../extents.ts";
import type { Kernels } from "../table.ts";
import type { Memory } from "./memory.ts";
import { partLength, type Scheduler, type WasmFunction } from "./scheduler.ts";

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
  | "gatherAddRows"
  | "layerNormParameterGradients"
  | "layerNormResidualForward";

export interface Wasm {
  /** Within `independently` a call may be deferred. */
  readonly run: Readonly<Record<FunctionName, WasmFunction>>;
  /** Runs immediately. */
  readonly sumSquaredDifference: WasmFunction<number>;
  /** The address of an array of at least `count` elements. @throws RangeError if it is shorter */
  readonly at: (name: string, array: Float32Array | Int32Array, count: number) => number;
  /** Called before and after the parts of an operation. They do not throw. */
  readonly openGroup: Scheduler["openGroup"];
  readonly closeGroup: Scheduler["closeGroup"];
  /** The length of the parts of independent elements. */
  readonly partOfElements: (count: number) => number;
  /** The same for rows of `columns` elements. */
  readonly partOfRows: (rows: number, columns: number) => number;
  /** The same for columns of `rows` elements. */
  readonly partOfColumns: (rows: number, columns: number) => number;
}

/** Elements that are worth a part of their own; their number is a multiple of whole cache lines. */
const LEAST_ELEMENTS = 1 << 15;
const ELEMENT_STEP = 64;

/** Rows or columns of `elements` that are worth a part of their own. */
function leastLines(elements: number, step: number): number {
  return Math.max(step, Math.ceil(LEAST_ELEMENTS / Math.max(1, elements)));
}

export function wasmOf(module: KernelModule): Wasm {
  const { scheduler } = module;
  return {
    run: scheduler.functions as Wasm["run"],
    sumSquaredDifference: module.exports.sumSquaredDifference as Wasm["sumSquaredDifference"],
    openGroup: scheduler.openGroup,
    closeGroup: scheduler.closeGroup,
    partOfElements: (count) => partLength(scheduler, count, LEAST_ELEMENTS, ELEMENT_STEP),
    partOfRows: (rows, columns) => partLength(scheduler, rows, leastLines(columns, 1), 1),
    partOfColumns: (rows, columns) =>
      partLength(scheduler, columns, leastLines(rows, ELEMENT_STEP), ELEMENT_STEP),
    at: (name, array, count) => {
      checkCount(name, array, count);
      return module.addressOf(array);
    },
  };
}
