/** Typed expressions of WebAssembly instructions. The code of an expression is emitted at each use. */
import { float32Bytes, signed, unsigned, type ValueType } from "./encoding.ts";

/** Code that leaves one value of type `T` on the stack. */
export interface Expression<T extends ValueType> {
  readonly type: T;
  readonly code: readonly number[];
}

/** A local variable. Used as an expression, it stands for its current value. */
export interface Local<T extends ValueType> extends Expression<T> {
  readonly index: number;
}

export type I32 = Expression<"i32">;
export type F32 = Expression<"f32">;
export type F64 = Expression<"f64">;
export type V128 = Expression<"v128">;

/** The types for which an operand may be a plain number. */
export type ScalarType = "i32" | "f32";

/** An operand of an instruction: an expression, or, for a scalar type, a number. */
export type Operand<T extends ValueType> = Expression<T> | (T extends ScalarType ? number : never);

/** Creates an expression by concatenating pieces of code. */
export function expression<T extends ValueType>(
  type: T,
  ...pieces: readonly (readonly number[])[]
): Expression<T> {
  return { type, code: pieces.flat() };
}

/** The code that pushes an operand onto the stack. */
export function codeOf<T extends ValueType>(type: T, operand: Operand<T>): readonly number[] {
  if (typeof operand !== "number") return operand.code;
  switch (type) {
    case "i32":
      return [0x41, ...signed(operand | 0)];
    case "f32":
      return [0x43, ...float32Bytes(operand)];
    default:
      throw new TypeError(`operand: expected an expression of type ${type}, got ${operand}`);
  }
}

/** Encodes the opcode of a vector instruction. */
export function simd(opcode: number): number[] {
  return [0xfd, ...unsigned(opcode)];
}

/** Encodes the memory argument of a load or store: log2 of the expected alignment in bytes, then the offset. */
export function memoryArgument(bytes: number, offset: number): number[] {
  if (offset < 0)
    throw new RangeError(`offset: expected a non-negative number of bytes, got ${offset}`);
  return [Math.min(2, Math.log2(bytes)), ...unsigned(offset)];
}

/** One value of type `F` for each name in a table of opcodes. */
export type Named<Table, F> = { readonly [Name in keyof Table]: F };

/** Makes one instruction for each opcode in a table, under the same name. */
export function named<Table extends Readonly<Record<string, number>>, F>(
  table: Table,
  make: (opcode: number) => F,
): Named<Table, F> {
  const entries = Object.entries(table).map(([name, opcode]) => [name, make(opcode)]);
  return Object.fromEntries(entries) as Named<Table, F>;
}

export type Binary<T extends ValueType, R extends ValueType = T> = (
  a: Operand<T>,
  b: Operand<T>,
) => Expression<R>;
export type Unary<T extends ValueType, R extends ValueType = T> = (a: Operand<T>) => Expression<R>;
/** An instruction that loads a value from `address + offset`, in bytes. */
export type Load<T extends ValueType> = (address: Operand<"i32">, offset?: number) => Expression<T>;
/** An instruction that shifts every lane by the same number of bits. */
export type Shift = (a: V128, count: Operand<"i32">) => V128;

export function load<T extends ValueType>(type: T, instruction: number[], bytes: number): Load<T> {
  return (address, offset = 0) =>
    expression(type, codeOf("i32", address), instruction, memoryArgument(bytes, offset));
}
