/** Builds the body of a function: constants, variables, stores, calls and structured control flow. */
import {
  float32Bytes,
  int32Bytes,
  sized,
  unsigned,
  VALUE_TYPE_BYTES,
  type ValueType,
  vector,
} from "./encoding.ts";
import {
  codeOf,
  type Expression,
  expression,
  type I32,
  type Local,
  memoryArgument,
  type Operand,
  simd,
  type V128,
} from "./expressions.ts";
import { i32 } from "./scalar-instructions.ts";
import { f32x4, v128 } from "./vector-instructions.ts";

/** The types of a function's parameters by name, in order. */
export type Parameters = Readonly<Record<string, ValueType>>;

/** Declares parameters of type i32. */
export function integers<const Names extends readonly string[]>(
  ...names: Names
): { readonly [Name in Names[number]]: "i32" } {
  const parameters = Object.fromEntries(names.map((name) => [name, "i32"]));
  return parameters as { readonly [Name in Names[number]]: "i32" };
}

/** A function's parameters, as local variables in its body. */
export type Arguments<P extends Parameters> = { readonly [Name in keyof P]: Local<P[Name]> };

type CallArguments<P extends Parameters> = { readonly [Name in keyof P]: Operand<P[Name]> };

/** A reference to a function of the module, through which later functions can call it. */
export interface FunctionReference<P extends Parameters> {
  readonly index: number;
  readonly parameters: P;
}

/** A block that encloses the current code, as the target of `f.exitIf`. */
export interface Label {
  readonly depth: number;
}

const STORES: Readonly<
  Record<ValueType, { readonly code: readonly number[]; readonly bytes: number }>
> = {
  i32: { code: [0x36], bytes: 4 },
  f32: { code: [0x38], bytes: 4 },
  f64: { code: [0x39], bytes: 8 },
  v128: { code: simd(11), bytes: 16 },
};
const VOID_BLOCK = 0x40;
const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const ELSE = 0x05;
const END = 0x0b;
const CALL = 0x10;
const BRANCH_IF = 0x0d;

/** The index of the global variable `workspace`. */
export const WORKSPACE = 1;
const GLOBAL_GET = 0x23;

/** The kernel variants (see `table.ts`) that are implemented as WASM modules. */
export type WasmVariant = "simd" | "fma" | "revectorized";

/** A table of 16-byte constants, at addresses from `start` on. Equal constants are stored once. */
export class ConstantTable {
  readonly bytes: number[] = [];
  readonly start: number;
  readonly #addresses: Map<string, number> = new Map();

  constructor(start: number) {
    this.start = start;
  }

  /** Returns a load of the constant, which is added to the table if it is new. */
  load(bytes: readonly number[]): V128 {
    const key = bytes.join();
    let address = this.#addresses.get(key);
    if (address === undefined) {
      address = this.start + this.bytes.length;
      this.bytes.push(...bytes);
      this.#addresses.set(key, address);
    }
    return v128.load(0, address);
  }
}

export class FunctionBuilder {
  readonly variant: WasmVariant;
  readonly #constants: ConstantTable;
  readonly #code: number[] = [];
  readonly #localTypes: ValueType[] = [];
  readonly #parameterCount: number;
  #depth = 0;

  constructor(variant: WasmVariant, constants: ConstantTable, parameterCount: number) {
    this.variant = variant;
    this.#constants = constants;
    this.#parameterCount = parameterCount;
  }

  /**
   * A constant of four float32 lanes. It is in memory, because V8 (Node 24) would rebuild an immediate in each
   * iteration.
   */
  constantF32x4(lanes: number | readonly [number, number, number, number]): V128 {
    return this.#constants.load(fourLanes(lanes).flatMap(float32Bytes));
  }

  /** A constant of four 32-bit integer lanes, also in memory. */
  constantI32x4(lanes: number | readonly [number, number, number, number]): V128 {
    return this.#constants.load(fourLanes(lanes).flatMap(int32Bytes));
  }

  /** `a * b + c`, rounded twice in the `simd` variant and once in the others. */
  madd(a: V128, b: V128, c: V128): V128 {
    if (this.variant !== "simd") return f32x4.relaxedMadd(a, b, c);
    return f32x4.add(c, f32x4.mul(a, b));
  }

  /** `c - a * b`, with the same rounding as `madd`. */
  nmadd(a: V128, b: V128, c: V128): V128 {
    if (this.variant !== "simd") return f32x4.relaxedNmadd(a, b, c);
    return f32x4.sub(c, f32x4.mul(a, b));
  }

  /** The address of the instance's working space. */
  get workspace(): I32 {
    return expression("i32", [GLOBAL_GET, ...unsigned(WORKSPACE)]);
  }

  /** Declares a local variable, which is zero at the start of the function. */
  local<T extends ValueType>(type: T): Local<T> {
    this.#localTypes.push(type);
    return localAt(type, this.#parameterCount + this.#localTypes.length - 1);
  }

  /** Declares local variables, which are zero at the start of the function. */
  locals<T extends ValueType>(type: T, count: number): Local<T>[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** Declares a local variable and sets it to `value`. */
  let<T extends ValueType>(value: Expression<T>): Local<T> {
    const variable = this.local(value.type);
    this.set(variable, value);
    return variable;
  }

  set<T extends ValueType>(variable: Local<T>, value: Operand<T>): void {
    this.#emit(codeOf(variable.type, value), [0x21], unsigned(variable.index));
  }

  /** Sets the variables to `first`, `first + step`, `first + 2 * step` and so on. */
  setSteps(variables: readonly Local<"i32">[], first: Operand<"i32">, step: Operand<"i32">): void {
    for (const [i, variable] of variables.entries())
      this.set(variable, i === 0 ? first : i32.add(variables[i - 1], step));
  }

  /** Emits `variable += amount`. */
  increment(variable: Local<"i32">, amount: Operand<"i32">): void {
    this.set(variable, i32.add(variable, amount));
  }

  /** Stores a value at `address + offset`, in bytes. */
  store<T extends ValueType>(address: Operand<"i32">, value: Expression<T>, offset = 0): void {
    const { code, bytes } = STORES[value.type];
    this.#emit(codeOf("i32", address), value.code, code, memoryArgument(bytes, offset));
  }

  /** Stores the low byte of an integer. */
  store8(address: Operand<"i32">, value: I32): void {
    this.#emit(codeOf("i32", address), value.code, [0x3a], memoryArgument(1, 0));
  }

  /** Stores a 32-bit lane of a vector. */
  store32Lane(address: Operand<"i32">, value: V128, lane: number, offset = 0): void {
    this.#emit(codeOf("i32", address), value.code, simd(90), memoryArgument(4, offset), [lane]);
  }

  /** Stores a 64-bit lane of a vector. */
  store64Lane(address: Operand<"i32">, value: V128, lane: number, offset = 0): void {
    this.#emit(codeOf("i32", address), value.code, simd(91), memoryArgument(8, offset), [lane]);
  }

  /** Calls a function of the module. */
  run<P extends Parameters>(target: FunctionReference<P>, values: CallArguments<P>): void {
    for (const [name, type] of Object.entries(target.parameters))
      this.#emit(codeOf(type, values[name] as Operand<typeof type>));
    this.#emit([CALL], unsigned(target.index));
  }

  if(condition: Expression<"i32">, then: () => void, otherwise?: () => void): void {
    this.#emit(condition.code, [IF, VOID_BLOCK]);
    this.#nested(then);
    if (otherwise !== undefined) {
      this.#emit([ELSE]);
      this.#nested(otherwise);
    }
    this.#emit([END]);
  }

  /** Emits a block. `exitIf` with the block's label leaves it early. */
  block(body: (label: Label) => void): void {
    this.#emit([BLOCK, VOID_BLOCK]);
    this.#nested(() => body({ depth: this.#depth }));
    this.#emit([END]);
  }

  exitIf(label: Label, condition: Expression<"i32">): void {
    this.#emit(condition.code, [BRANCH_IF], unsigned(this.#depth - label.depth));
  }

  /** Emits a loop that runs the body once, then again as long as the condition is true. */
  doWhile(condition: Expression<"i32">, body: () => void): void {
    this.#emit([LOOP, VOID_BLOCK]);
    this.#nested(body);
    this.#emit(condition.code, [BRANCH_IF, 0, END]);
  }

  while(condition: Expression<"i32">, body: () => void): void {
    this.if(condition, () => this.doWhile(condition, body));
  }

  /**
   * Emits a loop that runs the body for i = from, from + step and so on, as long as i < below (a signed comparison).
   */
  for(
    from: Operand<"i32">,
    below: Operand<"i32">,
    step: Operand<"i32">,
    body: (i: Local<"i32">) => void,
  ): void {
    const i = this.local("i32");
    this.set(i, from);
    this.while(i32.ltS(i, below), () => {
      body(i);
      this.increment(i, step);
    });
  }

  /** Encodes the function as an entry of the code section. */
  encode(result: Expression<ValueType> | undefined): number[] {
    return sized(vector(this.#locals()).concat(this.#code, result?.code ?? [], [END]));
  }

  /** The local variables: runs of the same type, each with its length. */
  #locals(): number[][] {
    const runs: { readonly type: ValueType; length: number }[] = [];
    for (const type of this.#localTypes) {
      const last = runs.at(-1);
      if (last?.type === type) last.length++;
      else runs.push({ type, length: 1 });
    }
    return runs.map(({ type, length }) => [...unsigned(length), VALUE_TYPE_BYTES[type]]);
  }

  #nested(body: () => void): void {
    this.#depth++;
    body();
    this.#depth--;
  }

  #emit(...pieces: readonly (readonly number[])[]): void {
    for (const piece of pieces) for (const byte of piece) this.#code.push(byte);
  }
}

export function localAt<T extends ValueType>(type: T, index: number): Local<T> {
  return { ...expression(type, [0x20], unsigned(index)), index };
}

function fourLanes(lanes: number | readonly number[]): readonly number[] {
  return typeof lanes === "number" ? [lanes, lanes, lanes, lanes] : lanes;
}
