/**
 * How the operations reach the module's functions: arrays become addresses, and large ones are cut into parts that
 * the threads share. Operations loop over the parts themselves: a step runs thousands, and a closure for each, with
 * its context, would be most of what it allocates.
 */
import { checkCount } from "../extents.ts";
import type { KernelModule } from "./kernel-module.ts";
import { partLength, type Scheduler, type WasmFunction } from "./scheduler.ts";

type FunctionName =
  | "add"
  | "addBias"
  | "addColumnSums"
  | "addScaled"
  | "addScaledDifference"
  | "scale"
  | "multiply"
  | "geluForward"
  | "geluBackward"
  | "tanhForward"
  | "tanhBackward"
  | "reluForward"
  | "reluBackward"
  | "attentionSoftmaxForward"
  | "attentionSoftmaxBackward"
  | "layerNormForward"
  | "layerNormResidualForward"
  | "layerNormBackward"
  | "layerNormParameterGradients"
  | "dropout"
  | "gatherRows"
  | "gatherAddRows"
  | "scatterAddRows"
  | "gatherColumns"
  | "scatterColumns"
  | "adamwTorch"
  | "adamwTransformers";

/** The module as the operations use it. */
export interface Wasm {
  /** Each of these may be put off, within `independently`. */
  readonly run: Readonly<Record<FunctionName, WasmFunction>>;
  /** Runs at once. */
  readonly sumSquaredDifference: WasmFunction<number>;
  /** The address of an array that a function takes `count` elements of. */
  readonly at: (name: string, array: Float32Array | Int32Array, count: number) => number;
  readonly independently: Scheduler["independently"];
  /** Between these two calls, which do not throw, the parts of an operation are run. */
  readonly openGroup: Scheduler["openGroup"];
  readonly closeGroup: Scheduler["closeGroup"];
  /** The length of the parts into which the threads share elements that do not depend on one another. */
  readonly partOfElements: (count: number) => number;
  /** The same for rows of `columns` elements. */
  readonly partOfRows: (rows: number, columns: number) => number;
  /** The same for columns of `rows` elements. */
  readonly partOfColumns: (rows: number, columns: number) => number;
}

/** Elements that are worth a part of their own, and what their number is a multiple of: whole cache lines. */
const LEAST_ELEMENTS = 1 << 15;
const ELEMENT_STEP = 64;

/** Rows or columns of `elements` that are worth a part of their own. */
function leastLines(elements: number, step: number): number {
  return Math.max(step, Math.ceil(LEAST_ELEMENTS / Math.max(1, elements)));
}

/** The functions of a module, behind addresses and parts. */
export function wasmOf(module: KernelModule): Wasm {
  const { scheduler } = module;
  return {
    run: scheduler.functions as Wasm["run"],
    sumSquaredDifference: module.exports.sumSquaredDifference as Wasm["sumSquaredDifference"],
    independently: scheduler.independently,
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
