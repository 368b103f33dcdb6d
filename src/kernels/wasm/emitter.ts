/**
 * Builds WebAssembly modules from typed expressions and structured control flow. For example, this function computes
 * `y = scale * x`, one vector at a time:
 *
 * ```ts
 * module.func("scale", { x: "i32", y: "i32", bytes: "i32", scale: "f32" }, (f, { x, y, bytes, scale }) => {
 *   const factor = f.let(f32x4.splat(scale));
 *   const end = f.let(i32.add(x, bytes));
 *   f.while(i32.ltU(x, end), () => {
 *     f.store(y, f32x4.mul(v128.load(x), factor));
 *     f.increment(x, 16);
 *     f.increment(y, 16);
 *   });
 * });
 * ```
 */

import {
  section,
  signed,
  sized,
  text,
  unsigned,
  VALUE_TYPE_BYTES,
  type ValueType,
  vector,
} from "./encoding.ts";
import type { Expression } from "./expressions.ts";
import {
  type Arguments,
  ConstantTable,
  FunctionBuilder,
  type FunctionReference,
  localAt,
  type Parameters,
  type WasmVariant,
  WORKSPACE,
} from "./function.ts";

export type { ValueType } from "./encoding.ts";
export * from "./expressions.ts";
export {
  type FunctionBuilder,
  type FunctionReference,
  integers,
  type Label,
  type WasmVariant,
} from "./function.ts";
export { f32, f64, i32, select } from "./scalar-instructions.ts";
export { f32x4, f64x2, i8x16, i16x8, i32x4, i64x2, v128 } from "./vector-instructions.ts";

/** The address of the table of constants. Address 0 stays unused. */
const CONSTANTS_START = 64;
const FUNCTION_TYPE = 0x60;
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** The maximum size of the imported memory in pages: 4 GiB, the range of 32-bit addresses. */
const MAXIMUM_PAGES = 65536;
/** Flags of the memory import. Both declare a maximum size; the second also shares the memory between threads. */
const LIMITED = 1;
const LIMITED_AND_SHARED = 3;

/**
 * Builds a module of functions with a table of vector constants. The module imports `env.memory`. It exports its
 * functions (except internal ones), `heapBase` (the first free address) and `workspace` (the address of an instance's
 * working space). With `wanted`, it has only the exported functions with these names, and the internal functions that
 * they call.
 */
export class ModuleBuilder {
  readonly variant: WasmVariant;
  /** The distinct types of functions. */
  readonly #types: number[][] = [];
  /** For each function, the index of its type. */
  readonly #typeIndices: number[] = [];
  readonly #exports: number[][] = [];
  /** The exported functions that return nothing, by their index among all exported functions. */
  readonly procedures: Map<number, FunctionReference<Parameters>> = new Map();
  readonly #bodies: number[][] = [];
  readonly #constants: ConstantTable = new ConstantTable(CONSTANTS_START);
  readonly #wanted: ReadonlySet<string> | undefined;
  readonly #custom: number[][] = [];

  constructor(variant: WasmVariant, wanted?: ReadonlySet<string>) {
    this.variant = variant;
    this.#wanted = wanted;
  }

  /** Adds a custom section: a name and text, both in ASCII. */
  custom(name: string, content: string): void {
    const characters = Array.from(content, (c) => c.charCodeAt(0));
    this.#custom.push(section(0, [...text(name), ...characters]));
  }

  /** Adds an exported function. If the body returns an expression, the function returns its value. */
  func<const P extends Parameters>(
    name: string,
    parameters: P,
    body: (f: FunctionBuilder, values: Arguments<P>) => unknown,
  ): void {
    if (this.#wanted !== undefined && !this.#wanted.has(name)) return;
    const { index, hasResult } = this.#define(parameters, body);
    if (!hasResult) this.procedures.set(this.#exports.length, { index, parameters });
    this.#exports.push([...text(name), 0, ...unsigned(index)]);
  }

  /**
   * Returns an internal function, which returns nothing. Functions that are added later can call it. The first call
   * adds it.
   */
  internal<const P extends Parameters>(
    parameters: P,
    body: (f: FunctionBuilder, values: Arguments<P>) => void,
  ): FunctionReference<P> {
    const define = (): number => {
      const { index } = this.#define(parameters, (f, values: Arguments<P>) => {
        body(f, values);
      });
      return index;
    };
    let index: number | undefined;
    return {
      parameters,
      get index() {
        index ??= define();
        return index;
      },
    };
  }

  /** Encodes the module, for an unshared (`own`) or a shared memory. The two encodings differ in one byte. */
  encode(memory: "own" | "shared" = "own"): Uint8Array {
    const flags = memory === "own" ? LIMITED : LIMITED_AND_SHARED;
    const limits = [flags, ...unsigned(1), ...unsigned(MAXIMUM_PAGES)];
    const memoryImport = [...text("env"), ...text("memory"), 2, ...limits];
    const heapBase = Math.ceil((CONSTANTS_START + this.#constants.bytes.length) / 64) * 64;
    const globals = [
      [VALUE_TYPE_BYTES.i32, 0, ...constantExpression(heapBase)],
      [VALUE_TYPE_BYTES.i32, 1, ...constantExpression(0)],
    ];
    const globalExports = [
      [...text("heapBase"), 3, 0],
      [...text("workspace"), 3, WORKSPACE],
    ];
    const constants = [0, ...constantExpression(CONSTANTS_START), ...sized(this.#constants.bytes)];
    return Uint8Array.from([
      ...PREAMBLE,
      ...section(1, vector(this.#types)),
      ...section(2, vector([memoryImport])),
      ...section(3, vector(this.#typeIndices.map(unsigned))),
      ...section(6, vector(globals)),
      ...section(7, vector([...this.#exports, ...globalExports])),
      ...section(10, vector(this.#bodies)),
      ...section(11, vector([constants])),
      ...this.#custom.flat(),
    ]);
  }

  /** Encodes a module whose functions use neither memory nor constants of the table. */
  encodeWithoutMemory(): Uint8Array {
    return Uint8Array.from([
      ...PREAMBLE,
      ...section(1, vector(this.#types)),
      ...section(3, vector(this.#typeIndices.map(unsigned))),
      ...section(7, vector(this.#exports)),
      ...section(10, vector(this.#bodies)),
    ]);
  }

  #define<P extends Parameters>(
    parameters: P,
    body: (f: FunctionBuilder, values: Arguments<P>) => unknown,
  ): { readonly index: number; readonly hasResult: boolean } {
    const entries = Object.entries(parameters);
    const locals = entries.map(([name, type], index) => [name, localAt(type, index)]);
    const f = new FunctionBuilder(this.variant, this.#constants, entries.length);
    const returned = body(f, Object.fromEntries(locals) as Arguments<P>);
    const result = isExpression(returned) ? returned : undefined;
    const type = [
      FUNCTION_TYPE,
      ...vector(entries.map(([, parameter]) => [VALUE_TYPE_BYTES[parameter]])),
      ...vector(result === undefined ? [] : [[VALUE_TYPE_BYTES[result.type]]]),
    ];
    this.#typeIndices.push(this.#typeIndex(type));
    const index = this.#bodies.push(f.encode(result)) - 1;
    return { index, hasResult: result !== undefined };
  }

  /** Returns the index of a type, which is added if it is new. */
  #typeIndex(type: number[]): number {
    const key = type.join();
    const known = this.#types.findIndex((other) => other.join() === key);
    return known >= 0 ? known : this.#types.push(type) - 1;
  }
}

/** Encodes an i32 constant as the value of a global variable or the address of a data segment. */
function constantExpression(value: number): number[] {
  return [0x41, ...signed(value), 0x0b];
}

function isExpression(value: unknown): value is Expression<ValueType> {
  return typeof value === "object" && value !== null && "code" in value && "type" in value;
}
