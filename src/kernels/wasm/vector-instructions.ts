/** Vector instructions, named as in the WebAssembly specification but in camel case: `v128.load(address)`. */
import {
  type Binary,
  codeOf,
  type Expression,
  expression,
  type F32,
  type F64,
  type I32,
  type Load,
  load,
  memoryArgument,
  type Named,
  named,
  type Operand,
  type ScalarType,
  type Shift,
  simd,
  type Unary,
  type V128,
} from "./expressions.ts";

const simdBinary =
  (opcode: number): Binary<"v128"> =>
  (a, b) =>
    expression("v128", a.code, b.code, simd(opcode));

const simdUnary =
  (opcode: number): Unary<"v128"> =>
  (a) =>
    expression("v128", a.code, simd(opcode));

const simdShift =
  (opcode: number): Shift =>
  (a, count) =>
    expression("v128", a.code, codeOf("i32", count), simd(opcode));

function splat<T extends ScalarType>(type: T, opcode: number): (value: Operand<T>) => V128 {
  return (value) => expression("v128", codeOf(type, value), simd(opcode));
}

function extractLane<T extends "i32" | "f32" | "f64">(
  type: T,
  opcode: number,
): (a: V128, lane: number) => Expression<T> {
  return (a, lane) => expression(type, a.code, simd(opcode), [lane]);
}

const V128_BINARY = { and: 78, andnot: 79, or: 80, xor: 81 } as const;

export const v128: Named<typeof V128_BINARY, Binary<"v128">> &
  Readonly<Record<"load" | "load32Splat" | "load32Zero" | "load64Zero", Load<"v128">>> & {
    readonly zero: V128;
    /** Selects each bit from `a` if that bit of `mask` is 1, else from `b`. */
    readonly bitselect: (a: V128, b: V128, mask: V128) => V128;
    /** 1 if any bit is set, else 0. */
    readonly anyTrue: (a: V128) => I32;
    /** `a` with one 32-bit lane loaded from memory. */
    readonly load32Lane: (address: Operand<"i32">, a: V128, lane: number, offset?: number) => V128;
  } = {
  ...named(V128_BINARY, simdBinary),
  zero: expression("v128", simd(12), new Array<number>(16).fill(0)),
  bitselect: (a, b, mask) => expression("v128", a.code, b.code, mask.code, simd(82)),
  load: load("v128", simd(0), 16),
  load32Splat: load("v128", simd(9), 4),
  load32Zero: load("v128", simd(92), 4),
  load64Zero: load("v128", simd(93), 8),
  anyTrue: (a) => expression("i32", a.code, simd(83)),
  load32Lane: (address, a, lane, offset = 0) => {
    const argument = memoryArgument(4, offset);
    return expression("v128", codeOf("i32", address), a.code, simd(86), argument, [lane]);
  },
};

export const i8x16: {
  readonly splat: (value: Operand<"i32">) => V128;
  /** The lanes of `a`, then those of `b`, saturated to signed 8-bit integers. */
  readonly narrowI16x8S: Binary<"v128">;
  /** Alternates the eight low lanes of `a` and `b`: a0, b0, a1 and so on. */
  readonly interleaveLow: Binary<"v128">;
  /** Alternates the eight high lanes of `a` and `b`. */
  readonly interleaveHigh: Binary<"v128">;
} = {
  splat: splat("i32", 15),
  narrowI16x8S: simdBinary(101),
  interleaveLow: interleave(1, 0),
  interleaveHigh: interleave(1, 8),
};

/** Alternates lanes of `bytes` bytes from two vectors, 8 bytes of each from byte `first` on. */
function interleave(bytes: number, first: number): Binary<"v128"> {
  const lanes = Array.from({ length: 16 }, (_, i) => {
    const [pair, byte] = [Math.floor(i / (2 * bytes)), i % (2 * bytes)];
    return first + pair * bytes + (byte < bytes ? byte : 16 + byte - bytes);
  });
  return (a, b) => expression("v128", a.code, b.code, simd(13), lanes);
}

export const i16x8: {
  /** The lanes of `a`, then those of `b`, saturated to signed 16-bit integers. */
  readonly narrowI32x4S: Binary<"v128">;
  /** The eight low 8-bit lanes as signed 16-bit lanes. */
  readonly extendLowI8x16S: Unary<"v128">;
  /** The eight low 8-bit lanes as unsigned 16-bit lanes. */
  readonly extendLowI8x16U: Unary<"v128">;
  readonly shrU: Shift;
  /** Alternates the four low lanes of `a` and `b`: a0, b0, a1 and so on. */
  readonly interleaveLow: Binary<"v128">;
  /** Alternates the four high lanes of `a` and `b`. */
  readonly interleaveHigh: Binary<"v128">;
} = {
  narrowI32x4S: simdBinary(133),
  extendLowI8x16S: simdUnary(135),
  extendLowI8x16U: simdUnary(137),
  shrU: simdShift(141),
  interleaveLow: interleave(2, 0),
  interleaveHigh: interleave(2, 8),
};

const I32X4_BINARY = {
  eq: 55,
  ltS: 57,
  gtS: 59,
  add: 174,
  sub: 177,
  mul: 181,
  /** Multiplies signed 16-bit lanes and adds the products of each pair of lanes. */
  dotI16x8S: 186,
} as const;
const I32X4_UNARY = {
  neg: 161,
  /** The four low 16-bit lanes as signed 32-bit lanes. */
  extendLowI16x8S: 167,
  /** The four low 16-bit lanes as unsigned 32-bit lanes. */
  extendLowI16x8U: 169,
} as const;
const I32X4_SHIFT = { shl: 171, shrU: 173 } as const;

export const i32x4: Named<typeof I32X4_BINARY, Binary<"v128">> &
  Named<typeof I32X4_UNARY, Unary<"v128">> &
  Named<typeof I32X4_SHIFT, Shift> & {
    readonly splat: (value: Operand<"i32">) => V128;
    readonly extractLane: (a: V128, lane: number) => I32;
    /**
     * Adds to each lane of `c` the products of four lanes of `a`, signed 8-bit integers, and of `b`, from 0 to 127
     * (relaxed SIMD). The result does not depend on the processor.
     */
    readonly relaxedDotI8x16I7x16Add: (a: V128, b: V128, c: V128) => V128;
    /** Selects four lanes, by their numbers: 0 to 3 in `a`, 4 to 7 in `b`. */
    readonly shuffle: (a: V128, b: V128, lanes: readonly [number, number, number, number]) => V128;
  } = {
  ...named(I32X4_BINARY, simdBinary),
  ...named(I32X4_UNARY, simdUnary),
  ...named(I32X4_SHIFT, simdShift),
  splat: splat("i32", 17),
  extractLane: extractLane("i32", 27),
  relaxedDotI8x16I7x16Add: (a, b, c) => expression("v128", a.code, b.code, c.code, simd(0x113)),
  shuffle: (a, b, lanes) => {
    const bytes = lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));
    return expression("v128", a.code, b.code, simd(13), bytes);
  },
};

const I64X2_BINARY = { extmulLowI32x4U: 222, extmulHighI32x4U: 223 } as const;

export const i64x2: Named<typeof I64X2_BINARY, Binary<"v128">> = named(I64X2_BINARY, simdBinary);

const F32X4_COMPARISON = { eq: 65, lt: 67, gt: 68 } as const;
const F32X4_ARITHMETIC = { add: 228, sub: 229, mul: 230, div: 231 } as const;
const F32X4_EXTREMES = { max: 233, pmin: 234, pmax: 235 } as const;
const F32X4_UNARY = { abs: 224, neg: 225, sqrt: 227, convertI32x4S: 250 } as const;

type F32x4Binary = typeof F32X4_COMPARISON & typeof F32X4_ARITHMETIC & typeof F32X4_EXTREMES;

export const f32x4: Named<F32x4Binary, Binary<"v128">> &
  Named<typeof F32X4_UNARY, Unary<"v128">> & {
    readonly splat: (value: Operand<"f32">) => V128;
    readonly extractLane: (a: V128, lane: number) => F32;
    /** `a * b + c`, rounded once if the processor has a fused instruction (relaxed SIMD). */
    readonly relaxedMadd: (a: V128, b: V128, c: V128) => V128;
    /** `c - a * b`, rounded like `relaxedMadd`. */
    readonly relaxedNmadd: (a: V128, b: V128, c: V128) => V128;
  } = {
  ...named({ ...F32X4_COMPARISON, ...F32X4_ARITHMETIC, ...F32X4_EXTREMES }, simdBinary),
  ...named(F32X4_UNARY, simdUnary),
  splat: splat("f32", 19),
  extractLane: extractLane("f32", 31),
  relaxedMadd: (a, b, c) => expression("v128", a.code, b.code, c.code, simd(0x105)),
  relaxedNmadd: (a, b, c) => expression("v128", a.code, b.code, c.code, simd(0x106)),
};

const F64X2_BINARY = { add: 240, mul: 242 } as const;

export const f64x2: Named<typeof F64X2_BINARY, Binary<"v128">> & {
  readonly extractLane: (a: V128, lane: number) => F64;
  /** The two low float32 lanes as float64 lanes. */
  readonly promoteLowF32x4: Unary<"v128">;
} = {
  ...named(F64X2_BINARY, simdBinary),
  extractLane: extractLane("f64", 33),
  promoteLowF32x4: simdUnary(95),
};
