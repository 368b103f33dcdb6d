import { describe, expect, it } from "vitest";
import {
  type Expression,
  f32,
  f32x4,
  f64,
  f64x2,
  i8x16,
  i16x8,
  i32,
  i32x4,
  i64x2,
  type V128,
  v128,
} from "../../../src/kernels/wasm/emitter.ts";
import { floats, instantiate, integers, LEFT, OUT, onVectors, RIGHT } from "./instance.ts";

const FLOATS = [0, -0, 1, -1.5, 2.5, -3.75, 1e30, -1e-30, Infinity, -Infinity, Number.NaN, 0.5];
const INTEGERS = [0, 1, -1, 2, 7, 31, 32, -65536, 65537, 2 ** 31 - 1, -(2 ** 31), 123456789];

/** Every pair of numbers, four at a time. */
function pairs<T>(values: readonly T[]): [T[], T[]][] {
  const all = values.flatMap((a) => values.map((b) => [a, b] as const));
  return Array.from({ length: all.length / 4 }, (_, i) => {
    const four = all.slice(4 * i, 4 * i + 4);
    return [four.map(([a]) => a), four.map(([, b]) => b)];
  });
}

const mask = (condition: boolean): number => (condition ? -1 : 0);

/** What each instruction does to a lane; comparisons give a mask of all bits. */
const FLOAT_LANES: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  max: (a, b) => Math.max(a, b),
  // biome-ignore lint/complexity/useMathMinMax: differs from Math.min for NaN and zeros.
  pmin: (a, b) => (b < a ? b : a),
  // biome-ignore lint/complexity/useMathMinMax: differs from Math.max for NaN and zeros.
  pmax: (a, b) => (a < b ? b : a),
  abs: (a) => Math.abs(a),
  neg: (a) => -a,
  sqrt: (a) => Math.sqrt(a),
};
const FLOAT_COMPARISONS: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  eq: (a, b) => a === b,
  lt: (a, b) => a < b,
  gt: (a, b) => a > b,
};
const INTEGER_LANES: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => Math.imul(a, b),
  neg: (a) => -a,
  eq: (a, b) => mask(a === b),
  ltS: (a, b) => mask(a < b),
  gtS: (a, b) => mask(a > b),
};
const SHIFTS: Readonly<Record<string, (a: number, count: number) => number>> = {
  shl: (a, count) => a << count,
  shrU: (a, count) => a >>> count,
};
const BITWISE: Readonly<Record<string, (a: number, b: number) => number>> = {
  and: (a, b) => a & b,
  or: (a, b) => a | b,
};

type VectorInstruction = (a: V128, b: V128) => V128;

describe("vector instructions", () => {
  it.each(Object.entries(FLOAT_LANES))("f32x4.%s", (name, lane) => {
    const run = onVectors((f32x4 as unknown as Record<string, VectorInstruction>)[name]);
    for (const [a, b] of pairs(FLOATS.map(Math.fround))) {
      const expected = Float32Array.from(a, (value, i) => lane(value, b[i]));
      expect(new Float32Array(run(floats(a), floats(b))), `${a} and ${b}`).toEqual(expected);
    }
  });

  it.each(Object.entries(FLOAT_COMPARISONS))("f32x4.%s", (name, compare) => {
    const run = onVectors((f32x4 as unknown as Record<string, VectorInstruction>)[name]);
    for (const [a, b] of pairs(FLOATS)) {
      const [x, y] = [a.map(Math.fround), b.map(Math.fround)];
      const expected = Int32Array.from(x, (value, i) => mask(compare(value, y[i])));
      expect(new Int32Array(run(floats(x), floats(y)))).toEqual(expected);
    }
  });

  it.each(Object.entries(INTEGER_LANES))("i32x4.%s", (name, lane) => {
    const run = onVectors((i32x4 as unknown as Record<string, VectorInstruction>)[name]);
    for (const [a, b] of pairs(INTEGERS)) {
      const expected = Int32Array.from(a, (value, i) => lane(value, b[i]));
      expect(new Int32Array(run(integers(a), integers(b))), `${a} and ${b}`).toEqual(expected);
    }
  });

  it.each(Object.entries(SHIFTS))("i32x4.%s", (name, lane) => {
    type Shifts = Record<string, (a: V128, count: number) => V128>;
    for (const count of [0, 1, 7, 31]) {
      const run = onVectors((a) => (i32x4 as unknown as Shifts)[name](a, count));
      const expected = INTEGERS.slice(4, 8).map((value) => lane(value, count) | 0);
      const zero = integers([0, 0, 0, 0]);
      expect(Array.from(new Int32Array(run(integers(INTEGERS.slice(4, 8)), zero)))).toEqual(
        expected,
      );
    }
  });

  it("i64x2 multiplies 32-bit lanes to 64 bits", () => {
    const a = [-2, 3, 2 ** 31 - 1, -7];
    const b = [5, -(2 ** 31), 2 ** 31 - 1, 11];
    const product = (i: number, wide: (value: number) => bigint) =>
      BigInt.asIntN(64, wide(a[i]) * wide(b[i]));
    const asUnsigned = (value: number) => BigInt(value >>> 0);
    const cases = [
      [i64x2.extmulLowI32x4U, [product(0, asUnsigned), product(1, asUnsigned)]],
      [i64x2.extmulHighI32x4U, [product(2, asUnsigned), product(3, asUnsigned)]],
    ] as const;
    for (const [instruction, expected] of cases) {
      const out = onVectors(instruction)(integers(a), integers(b));
      expect(Array.from(new BigInt64Array(out))).toEqual(expected);
    }
  });

  it("f64x2 computes lane by lane", () => {
    const [x, y] = [Float64Array.of(0.1, -3).buffer, Float64Array.of(0.7, 1e200).buffer];
    expect(new Float64Array(onVectors(f64x2.add)(x, y))).toEqual(
      Float64Array.of(0.1 + 0.7, -3 + 1e200),
    );
    expect(new Float64Array(onVectors(f64x2.mul)(x, y))).toEqual(
      Float64Array.of(0.1 * 0.7, -3e200),
    );
    const widened = onVectors(f64x2.promoteLowF32x4)(floats([0.1, -2, 3, 4]), x);
    expect(new Float64Array(widened)).toEqual(Float64Array.of(Math.fround(0.1), -2));
  });

  it("v128 combines bits and selects by them", () => {
    const [a, b] = [integers([0b1100, -1, 0, 5]), integers([0b1010, 7, -8, 3])];
    for (const [name, lane] of Object.entries({
      ...BITWISE,
      andnot: (x: number, y: number) => x & ~y,
    })) {
      const run = onVectors((v128 as unknown as Record<string, VectorInstruction>)[name]);
      const expected = [0, 1, 2, 3].map((i) => lane(new Int32Array(a)[i], new Int32Array(b)[i]));
      expect(Array.from(new Int32Array(run(a, b)))).toEqual(expected);
    }
    const selected = onVectors((x, y) => v128.bitselect(x, y, i32x4.splat(0b0110)))(a, b);
    const expected = [0, 1, 2, 3].map(
      (i) => (new Int32Array(a)[i] & 6) | (new Int32Array(b)[i] & ~6),
    );
    expect(Array.from(new Int32Array(selected))).toEqual(expected);
    expect(new Int32Array(onVectors(() => v128.zero)(a, b))).toEqual(new Int32Array(4));
  });

  it("shuffles, splats, and loads and stores parts of vectors", () => {
    const [a, b] = [floats([1, 2, 3, 4]), floats([5, 6, 7, 8])];
    const result = (instruction: VectorInstruction) =>
      Array.from(new Float32Array(onVectors(instruction)(a, b)));
    expect(result((x, y) => i32x4.shuffle(x, y, [0, 5, 7, 2]))).toEqual([1, 6, 8, 3]);
    expect(result(() => f32x4.splat(2.5))).toEqual([2.5, 2.5, 2.5, 2.5]);
    expect(result(() => v128.load32Splat(LEFT, 4))).toEqual([2, 2, 2, 2]);
    expect(result(() => v128.load32Zero(LEFT, 8))).toEqual([3, 0, 0, 0]);
    expect(result(() => v128.load64Zero(RIGHT, 8))).toEqual([7, 8, 0, 0]);
    expect(result((x) => v128.load32Lane(RIGHT, x, 2, 12))).toEqual([1, 2, 8, 4]);
    expect(result((x) => f32x4.splat(f32x4.extractLane(x, 3)))).toEqual([4, 4, 4, 4]);
    expect(result((x) => i32x4.splat(i32x4.extractLane(x, 1)))).toEqual([2, 2, 2, 2]);
    const { call, memory } = instantiate((module) => {
      module.func("run", {}, (f) => {
        const value = f.let(i32x4.add(i32x4.splat(5), f.constantI32x4([0, 1, 2, 3])));
        f.store32Lane(OUT, value, 3);
        f.store64Lane(OUT, value, 1, 4);
      });
    });
    call("run");
    expect([0, 4, 8, 12].map((at) => memory.getInt32(OUT + at, true))).toEqual([8, 7, 8, 0]);
  });
});

/** Runs `body` on a module with one function of two operands. */
function onScalars<T extends "i32" | "f32" | "f64">(
  type: T,
  instruction: (a: Expression<T>, b: Expression<T>) => Expression<T>,
): (a: number, b: number) => number {
  const { call } = instantiate((module) => {
    module.func("run", { a: type, b: type }, (_, { a, b }) =>
      instruction(a as unknown as Expression<T>, b as unknown as Expression<T>),
    );
  });
  return (a, b) => call("run", a, b);
}

type ScalarInstructions<T extends "i32" | "f32" | "f64"> = Record<
  string,
  (a: Expression<T>, b: Expression<T>) => Expression<T>
>;

describe("scalar instructions", () => {
  const whole: Readonly<Record<string, (a: number, b: number) => number>> = {
    ...BITWISE,
    ...SHIFTS,
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => Math.imul(a, b),
    divU: (a, b) => (a >>> 0) / (b >>> 0),
    remU: (a, b) => (a >>> 0) % (b >>> 0),
    eq: (a, b) => Number(a === b),
    ne: (a, b) => Number(a !== b),
    ltS: (a, b) => Number(a < b),
    ltU: (a, b) => Number(a >>> 0 < b >>> 0),
    gtS: (a, b) => Number(a > b),
    geS: (a, b) => Number(a >= b),
    eqz: (a) => Number(a === 0),
    minS: (a, b) => Math.min(a, b),
  };

  it.each(Object.entries(whole))("i32.%s", (name, expected) => {
    const run = onScalars("i32", (i32 as unknown as ScalarInstructions<"i32">)[name]);
    for (const a of INTEGERS) {
      for (const b of INTEGERS) {
        const divides = name === "divU" || name === "remU";
        if (divides && b === 0) expect(() => run(a, b)).toThrow(WebAssembly.RuntimeError);
        else expect(run(a, b), `${a} and ${b}`).toBe(Math.trunc(expected(a, b)) | 0);
      }
    }
  });

  it.each(["add", "sub", "mul", "div", "sqrt", "neg"])("f32.%s", (name) => {
    const single = onScalars("f32", (f32 as unknown as ScalarInstructions<"f32">)[name]);
    for (const a of FLOATS) {
      for (const b of FLOATS) {
        const [x, y] = [Math.fround(a), Math.fround(b)];
        expect(single(x, y)).toBe(Math.fround(FLOAT_LANES[name](x, y)));
      }
    }
  });

  it("f64.add", () => {
    const add = onScalars("f64", f64.add);
    for (const a of FLOATS) for (const b of FLOATS) expect(add(a, b)).toBe(a + b);
  });

  it("constants, conversions and loads", () => {
    const { call, memory } = instantiate((module) => {
      module.func("i32", {}, () => i32.const(-(2 ** 31)));
      module.func("f32", {}, () => f32.const(0.1));
      module.func("convert", { a: "i32" }, (_, { a }) => f32.convertI32S(a));
      module.func("bits", { a: "f32" }, (_, { a }) => i32.reinterpretF32(a));
      module.func("load", { at: "i32" }, (_, { at }) => f64.add(f64.load(at, 8), f64.load(at, 8)));
      module.func("loadI32", { at: "i32" }, (_, { at }) => i32.load(at));
      module.func("loadF32", { at: "i32" }, (_, { at }) => f32.load(at, 300));
    });
    expect(call("i32")).toBe(-(2 ** 31));
    expect(call("f32")).toBe(Math.fround(0.1));
    expect(call("convert", -7)).toBe(-7);
    expect(call("bits", 1)).toBe(0x3f80_0000);
    memory.setFloat64(LEFT + 8, Math.PI, true);
    expect(call("load", LEFT)).toBe(2 * Math.PI);
    memory.setInt32(LEFT, -9, true);
    expect(call("loadI32", LEFT)).toBe(-9);
    memory.setFloat32(LEFT + 300, 1.5, true);
    expect(call("loadF32", LEFT)).toBe(1.5);
  });
});

describe("bytes", () => {
  it("come from lanes of comparisons, and become lanes", () => {
    const narrowed = onVectors((a, b) => {
      const halves = i16x8.narrowI32x4S(a, b);
      return i8x16.narrowI16x8S(halves, i16x8.narrowI32x4S(b, a));
    })(integers([0, -1, 70000, 5]), integers([-1, 0, 0, -300]));
    expect([...new Int8Array(narrowed)]).toEqual([
      0, -1, 127, 5, -1, 0, 0, -128, -1, 0, 0, -128, 0, -1, 127, 5,
    ]);
    const extended = onVectors((a) => i32x4.extendLowI16x8U(i16x8.extendLowI8x16U(a)));
    expect([...new Int32Array(extended(integers([0x01ff0203, 0, 0, 0]), integers([0, 0, 0, 0])))])
      // Little-endian: the lowest byte is the first lane.
      .toEqual([3, 2, 255, 1]);
    expect([
      ...new Uint8Array(onVectors(() => i8x16.splat(300))(integers([0]), integers([0]))),
    ]).toEqual(new Array(16).fill(44));
  });

  it("are extended with their sign, converted, multiplied in pairs and shifted", () => {
    const operands = [integers([0x80_7f_fe_01, 0, 0, 0]), integers([0, 0, 0, 0])] as const;
    const extended = onVectors((a) => i32x4.extendLowI16x8S(i16x8.extendLowI8x16S(a)));
    expect([...new Int32Array(extended(...operands))]).toEqual([1, -2, 127, -128]);
    const converted = onVectors((a) => f32x4.convertI32x4S(a));
    const whole = integers([-7, 0, 2 ** 24 + 1, -(2 ** 31)]);
    expect([...new Float32Array(converted(whole, whole))]).toEqual([-7, 0, 2 ** 24, -(2 ** 31)]);
    const halves = Int16Array.of(3, -4, 127, 127, -32768, 1, 0, 9).buffer;
    const others = Int16Array.of(5, 6, -127, 127, 2, 3, 7, -1).buffer;
    const products = onVectors((a, b) => i32x4.dotI16x8S(a, b))(halves, others);
    expect([...new Int32Array(products)]).toEqual([-9, 0, -65533, -9]);
    const shifted = onVectors((a) => i16x8.shrU(a, 8))(halves, others);
    expect([...new Uint16Array(shifted)]).toEqual([0, 255, 0, 0, 128, 0, 0, 0]);
  });

  it("are interleaved one by one and in pairs", () => {
    const a = Uint8Array.from({ length: 16 }, (_, i) => i);
    const b = a.map((i) => 100 + i);
    const run = (instruction: VectorInstruction): number[] => [
      ...new Uint8Array(onVectors(instruction)(a.slice().buffer, b.slice().buffer)),
    ];
    const expected = (first: number, bytes: number): number[] =>
      Array.from({ length: 16 }, (_, i) => {
        const from = Math.floor(i / bytes) % 2 === 0 ? a : b;
        return from[first + Math.floor(i / (2 * bytes)) * bytes + (i % bytes)];
      });
    expect(run(i8x16.interleaveLow)).toEqual(expected(0, 1));
    expect(run(i8x16.interleaveHigh)).toEqual(expected(8, 1));
    expect(run(i16x8.interleaveLow)).toEqual(expected(0, 2));
    expect(run(i16x8.interleaveHigh)).toEqual(expected(8, 2));
  });

  it("are loaded and stored one by one", () => {
    const { call, memory } = instantiate((module) => {
      module.func("load8", { at: "i32" }, (_, { at }) => i32.load8U(at, 1));
      module.func("store8", { at: "i32", value: "i32" }, (f, { at, value }) => {
        f.store8(at, value);
      });
    });
    call("store8", LEFT + 1, 0x1fe);
    expect([memory.getUint8(LEFT), memory.getUint8(LEFT + 1), memory.getUint8(LEFT + 2)]).toEqual([
      0, 0xfe, 0,
    ]);
    expect(call("load8", LEFT)).toBe(0xfe);
  });

  it("show whether any bit is set, and floats how they compare", () => {
    const { call } = instantiate((module) => {
      module.func("any", { x: "i32" }, (_, { x }) => v128.anyTrue(i32x4.splat(x)));
      for (const name of ["eq", "ne", "lt", "ge"] as const)
        module.func(name, { a: "f32", b: "f32" }, (_, { a, b }) => f32[name](a, b));
    });
    expect([call("any", 0), call("any", 8)]).toEqual([0, 1]);
    const comparisons: typeof FLOAT_COMPARISONS = {
      ...FLOAT_COMPARISONS,
      ne: (a, b) => a !== b,
      ge: (a, b) => a >= b,
    };
    for (const a of FLOATS)
      for (const b of FLOATS)
        for (const name of ["eq", "ne", "lt", "ge"] as const) {
          const [x, y] = [Math.fround(a), Math.fround(b)];
          expect(call(name, a, b)).toBe(Number(comparisons[name](x, y)));
        }
  });
});

describe("every instruction", () => {
  it("has a test here", () => {
    const others = [
      "const",
      "load",
      "convertI32S",
      "splat",
      "extractLane",
      "shuffle",
      "extendLowI16x8U",
      "extendLowI16x8S",
      "convertI32x4S",
      "dotI16x8S",
    ];
    const covered = (...tables: object[]) => new Set([...others, ...tables.flatMap(Object.keys)]);
    const expectCovered = (instructions: object, known: ReadonlySet<string>) =>
      expect(Object.keys(instructions).filter((name) => !known.has(name))).toEqual([]);
    // Relaxed instructions run in the tests of the fma variant only.
    const relaxed = { relaxedMadd: 0, relaxedNmadd: 0, relaxedDotI8x16I7x16Add: 0 };
    expectCovered(f32x4, covered(FLOAT_LANES, FLOAT_COMPARISONS, relaxed));
    expectCovered(i32x4, covered(INTEGER_LANES, SHIFTS, relaxed));
  });
});
