/** Scalar instructions, named as in the WebAssembly specification but in camel case: `i32.add(n, 4)`. */
import type { ValueType } from "./encoding.ts";
import {
  type Binary,
  codeOf,
  type Expression,
  expression,
  type I32,
  type Load,
  load,
  type Named,
  named,
  type Operand,
  type Unary,
} from "./expressions.ts";

function binary<T extends ValueType, R extends ValueType>(type: T, result: R) {
  return (opcode: number): Binary<T, R> =>
    (a, b) =>
      expression(result, codeOf(type, a), codeOf(type, b), [opcode]);
}

function unary<T extends ValueType, R extends ValueType>(type: T, result: R) {
  return (opcode: number): Unary<T, R> =>
    (a) =>
      expression(result, codeOf(type, a), [opcode]);
}

const I32_COMPARISON = { eq: 0x46, ne: 0x47, ltS: 0x48, ltU: 0x49, gtS: 0x4a, geS: 0x4e } as const;
const I32_ARITHMETIC = { add: 0x6a, sub: 0x6b, mul: 0x6c, divU: 0x6e, remU: 0x70 } as const;
const I32_BITS = { and: 0x71, or: 0x72, shl: 0x74, shrU: 0x76 } as const;
const F32_COMPARISON = { eq: 0x5b, ne: 0x5c, lt: 0x5d, ge: 0x60 } as const;
const F32_BINARY = { add: 0x92, sub: 0x93, mul: 0x94, div: 0x95 } as const;

type I32Binary = typeof I32_COMPARISON & typeof I32_ARITHMETIC & typeof I32_BITS;

/** Instructions on 32-bit integers, which also serve as addresses and conditions. */
export const i32: Named<I32Binary, Binary<"i32">> & {
  readonly const: (value: number) => I32;
  readonly eqz: Unary<"i32">;
  readonly load: Load<"i32">;
  readonly load8U: Load<"i32">;
  /** The bits of a float32. */
  readonly reinterpretF32: Unary<"f32", "i32">;
  /** Truncates a float64 to an integer modulo 2^32, like `ToInt32` in JavaScript. */
  readonly wrapF64: Unary<"f64", "i32">;
  /** The smaller of two signed integers. Both operands are evaluated twice. */
  readonly minS: Binary<"i32">;
} = {
  ...named({ ...I32_COMPARISON, ...I32_ARITHMETIC, ...I32_BITS }, binary("i32", "i32")),
  const: (value) => expression("i32", codeOf("i32", value)),
  eqz: unary("i32", "i32")(0x45),
  load: load("i32", [0x28], 4),
  load8U: load("i32", [0x2d], 1),
  reinterpretF32: unary("f32", "i32")(0xbc),
  // The instructions i64.trunc_sat_f64_s and i32.wrap_i64.
  wrapF64: (a) => expression("i32", codeOf("f64", a), [0xfc, 0x06, 0xa7]),
  minS: (a, b) => select(asI32(a), asI32(b), i32.ltS(a, b)),
};

function asI32(operand: Operand<"i32">): I32 {
  return expression("i32", codeOf("i32", operand));
}

export const f32: Named<typeof F32_BINARY, Binary<"f32">> &
  Named<typeof F32_COMPARISON, Binary<"f32", "i32">> & {
    readonly const: (value: number) => Expression<"f32">;
    readonly sqrt: Unary<"f32">;
    readonly neg: Unary<"f32">;
    readonly load: Load<"f32">;
    readonly convertI32S: Unary<"i32", "f32">;
    readonly demoteF64: Unary<"f64", "f32">;
  } = {
  ...named(F32_BINARY, binary("f32", "f32")),
  ...named(F32_COMPARISON, binary("f32", "i32")),
  const: (value) => expression("f32", codeOf("f32", value)),
  sqrt: unary("f32", "f32")(0x91),
  neg: unary("f32", "f32")(0x8c),
  load: load("f32", [0x2a], 4),
  convertI32S: unary("i32", "f32")(0xb2),
  demoteF64: unary("f64", "f32")(0xb6),
};

export const f64: { readonly add: Binary<"f64">; readonly load: Load<"f64"> } = {
  add: binary("f64", "f64")(0xa0),
  load: load("f64", [0x2b], 8),
};

/** The value of `condition ? a : b`. Both operands are evaluated. */
export function select<T extends ValueType>(
  a: Expression<T>,
  b: Expression<T>,
  condition: I32,
): Expression<T> {
  return expression(a.type, a.code, b.code, condition.code, [0x1b]);
}
