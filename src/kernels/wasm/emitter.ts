/**
 * Builds WebAssembly modules of kernels: functions over one imported linear memory, written with typed
 * expressions and structured control. For example, `y = scale * x`, a vector at a time:
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
  float32Bytes,
  int32Bytes,
  section,
  signed,
  sized,
  text,
  unsigned,
  VALUE_TYPE_BYTES,
  type ValueType,
  vector,
} from "./encoding.ts";
import type { Expression, V128 } from "./expressions.ts";
import {
  type Arguments,
  FunctionBuilder,
  type FunctionReference,
  localAt,
  type Parameters,
} from "./function.ts";
import { f32x4, v128 } from "./vector-instructions.ts";

export type { ValueType } from "./encoding.ts";
export * from "./expressions.ts";
export type { FunctionBuilder, FunctionReference, Label } from "./function.ts";
export { f32, f64, i32, select } from "./scalar-instructions.ts";
export { f32x4, f64x2, i8x16, i16x8, i32x4, i64x2, v128 } from "./vector-instructions.ts";

/** Which instructions a module may use: SIMD alone, or also relaxed SIMD's fused multiply-add. */
export type WasmVariant = "simd" | "fma";

/** First byte of the table of constants; address 0 stays unused, so that a missing address shows. */
const CONSTANTS_START = 64;
const FUNCTION_TYPE = 0x60;
const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/**
 * A module: functions and a table of vector constants. It imports its memory as `env.memory` and exports
 * every function that is not internal, and `heapBase`: the first byte of memory that it leaves free.
 */
export class ModuleBuilder {
  readonly variant: WasmVariant;
  readonly #types: number[][] = [];
  readonly #exports: number[][] = [];
  readonly #bodies: number[][] = [];
  readonly #constants: number[] = [];
  readonly #constantAddresses: Map<string, number> = new Map();

  constructor(variant: WasmVariant) {
    this.variant = variant;
  }

  /** Adds an exported function; its result is the expression that the body returns, if it returns one. */
  func<const P extends Parameters>(
    name: string,
    parameters: P,
    body: (f: FunctionBuilder, values: Arguments<P>) => unknown,
  ): void {
    const index = this.#define(parameters, body);
    this.#exports.push([...text(name), 0, ...unsigned(index)]);
  }

  /** Adds a function without a result that only later functions of the module call. */
  internal<const P extends Parameters>(
    parameters: P,
    body: (f: FunctionBuilder, values: Arguments<P>) => void,
  ): FunctionReference<P> {
    const index = this.#define(parameters, (f, values: Arguments<P>) => {
      body(f, values);
    });
    return { index, parameters };
  }

  /**
   * Four float32 lanes, or one value in all of them, loaded from the module's table of constants. V8 (Node 24
   * and later) makes an immediate v128 anew in every iteration of a loop; a load is cheaper.
   */
  constantF32x4(lanes: number | readonly [number, number, number, number]): V128 {
    return this.#constant(fourLanes(lanes).flatMap(float32Bytes));
  }

  /** Four 32-bit integer lanes, likewise. */
  constantI32x4(lanes: number | readonly [number, number, number, number]): V128 {
    return this.#constant(fourLanes(lanes).flatMap(int32Bytes));
  }

  /** `a * b + c`: rounded once in the fma variant, twice in the simd one. */
  madd(a: V128, b: V128, c: V128): V128 {
    if (this.variant === "fma") return f32x4.relaxedMadd(a, b, c);
    return f32x4.add(c, f32x4.mul(a, b));
  }

  /** `c - a * b`: rounded once in the fma variant, twice in the simd one. */
  nmadd(a: V128, b: V128, c: V128): V128 {
    if (this.variant === "fma") return f32x4.relaxedNmadd(a, b, c);
    return f32x4.sub(c, f32x4.mul(a, b));
  }

  /** The module's binary. */
  encode(): Uint8Array {
    const memoryImport = [...text("env"), ...text("memory"), 2, 0, ...unsigned(1)];
    const heapBase = Math.ceil((CONSTANTS_START + this.#constants.length) / 64) * 64;
    const global = [VALUE_TYPE_BYTES.i32, 0, ...constantExpression(heapBase)];
    const constants = [0, ...constantExpression(CONSTANTS_START), ...sized(this.#constants)];
    return Uint8Array.from([
      ...PREAMBLE,
      ...section(1, vector(this.#types)),
      ...section(2, vector([memoryImport])),
      ...section(3, vector(this.#types.map((_, index) => unsigned(index)))),
      ...section(6, vector([global])),
      ...section(7, vector([...this.#exports, [...text("heapBase"), 3, 0]])),
      ...section(10, vector(this.#bodies)),
      ...section(11, vector([constants])),
    ]);
  }

  #define<P extends Parameters>(
    parameters: P,
    body: (f: FunctionBuilder, values: Arguments<P>) => unknown,
  ): number {
    const entries = Object.entries(parameters);
    const locals = entries.map(([name, type], index) => [name, localAt(type, index)]);
    const f = new FunctionBuilder(entries.length);
    const returned = body(f, Object.fromEntries(locals) as Arguments<P>);
    const result = isExpression(returned) ? returned : undefined;
    this.#types.push([
      FUNCTION_TYPE,
      ...vector(entries.map(([, type]) => [VALUE_TYPE_BYTES[type]])),
      ...vector(result === undefined ? [] : [[VALUE_TYPE_BYTES[result.type]]]),
    ]);
    return this.#bodies.push(f.encode(result)) - 1;
  }

  #constant(bytes: readonly number[]): V128 {
    const key = bytes.join();
    let address = this.#constantAddresses.get(key);
    if (address === undefined) {
      address = CONSTANTS_START + this.#constants.length;
      this.#constants.push(...bytes);
      this.#constantAddresses.set(key, address);
    }
    return v128.load(0, address);
  }
}

/** The initial value of a global or the address of a data segment. */
function constantExpression(value: number): number[] {
  return [0x41, ...signed(value), 0x0b];
}

function isExpression(value: unknown): value is Expression<ValueType> {
  return typeof value === "object" && value !== null && "code" in value && "type" in value;
}

function fourLanes(lanes: number | readonly number[]): readonly number[] {
  return typeof lanes === "number" ? [lanes, lanes, lanes, lanes] : lanes;
}
