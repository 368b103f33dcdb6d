/**
 * How the operations reach the module's functions: arrays become addresses, and large ones are cut into parts that
 * the threads share.
 */
import { checkCount } from "./extents.ts";
import type { KernelModule } from "./kernel-module.ts";
import { inParts, type PartSize, type Scheduler, type WasmFunction } from "./scheduler.ts";

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
  /** Cuts a count of elements that do not depend on one another; `start` in bytes. */
  readonly inElements: (count: number, body: (startBytes: number, length: number) => void) => void;
  /** Cuts rows of `columns` elements, which do not depend on one another. */
  readonly inRows: (
    rows: number,
    columns: number,
    body: (start: number, length: number) => void,
  ) => void;
  /** Cuts columns, likewise; their start in bytes. */
  readonly inColumns: (
    rows: number,
    columns: number,
    body: (startBytes: number, length: number) => void,
  ) => void;
}

/** Elements that are worth a part of their own, and what their number is a multiple of: whole cache lines. */
const ELEMENTS: PartSize = { least: 1 << 15, step: 64 };

/** The same in rows or columns of `elements`. */
function lines(elements: number, step: number): PartSize {
  return { least: Math.max(step, Math.ceil(ELEMENTS.least / Math.max(1, elements))), step };
}

/** The functions of a module, behind addresses and parts. */
export function wasmOf(module: KernelModule): Wasm {
  const { scheduler } = module;
  return {
    run: scheduler.functions as Wasm["run"],
    sumSquaredDifference: module.exports.sumSquaredDifference as Wasm["sumSquaredDifference"],
    independently: scheduler.independently,
    inElements: (count, body) =>
      inParts(scheduler, count, ELEMENTS, (start, length) => body(start * 4, length)),
    inRows: (rows, columns, body) => inParts(scheduler, rows, lines(columns, 1), body),
    inColumns: (rows, columns, body) =>
      inParts(scheduler, columns, lines(rows, ELEMENTS.step), (start, length) =>
        body(start * 4, length),
      ),
    at: (name, array, count) => {
      checkCount(name, array, count);
      return module.addressOf(array);
    },
  };
}
