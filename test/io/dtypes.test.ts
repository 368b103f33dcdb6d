import fc from "fast-check";
import { expect, test } from "vitest";
import { float32BitsFromFloat16 } from "../../src/core/half.ts";
import {
  DTYPES,
  type Dtype,
  elementBytes,
  hasCountableZeros,
  hasNumbers,
  narrowFromFloat32,
  rawElements,
  widenForZeros,
  widenToFloat32,
} from "../../src/io/dtypes.ts";

const anyBits = fc.integer({ min: 0, max: 0xffffffff });

test("F32 passes through bit for bit, NaN payloads included", () => {
  fc.assert(
    fc.property(fc.array(anyBits), (bits) => {
      const values = new Float32Array(Uint32Array.from(bits).buffer);
      const bytes = narrowFromFloat32("F32", values);
      const widened = widenToFloat32("F32", bytes);
      expect([...new Uint32Array(widened.buffer)]).toEqual(bits);
    }),
  );
});

/** `bytes` at an even and at an odd offset. */
function placements(buffer: ArrayBuffer): readonly Uint8Array[] {
  const shifted = new Uint8Array(buffer.byteLength + 1);
  shifted.set(new Uint8Array(buffer), 1);
  return [new Uint8Array(buffer), shifted.subarray(1), Buffer.from(shifted.buffer, 1)];
}

const NUMBERS: readonly (readonly [Dtype, ArrayBuffer, readonly number[]])[] = [
  ["BOOL", Uint8Array.of(0, 1).buffer, [0, 1]],
  ["U8", Uint8Array.of(0, 255).buffer, [0, 255]],
  ["I8", Int8Array.of(-128, 127).buffer, [-128, 127]],
  ["I16", Int16Array.of(-32768, 5).buffer, [-32768, 5]],
  ["U16", Uint16Array.of(65535, 5).buffer, [65535, 5]],
  ["F16", Uint16Array.of(0x3c00, 0xc000).buffer, [1, -2]],
  ["BF16", Uint16Array.of(0x3f80, 0xc000).buffer, [1, -2]],
  ["I32", Int32Array.of(-7, 16777216).buffer, [-7, 16777216]],
  ["U32", Uint32Array.of(7, 2 ** 31).buffer, [7, 2 ** 31]],
  ["F32", Float32Array.of(0.5, -3).buffer, [0.5, -3]],
  ["F64", Float64Array.of(0.5, 0.1).buffer, [0.5, Math.fround(0.1)]],
  ["I64", BigInt64Array.of(-5n, 1n << 40n).buffer, [-5, 2 ** 40]],
  ["U64", BigUint64Array.of(5n, 1n << 63n).buffer, [5, 2 ** 63]],
];

test.each(NUMBERS)(
  "%s widens to the numbers it holds, from any alignment",
  (dtype, buffer, numbers) => {
    expect(hasNumbers(dtype)).toBe(true);
    for (const bytes of placements(buffer)) {
      expect([...widenToFloat32(dtype, bytes)]).toEqual(numbers);
      expect(rawElements(dtype, bytes)).toHaveLength(numbers.length);
      if (dtype !== "F64") expect([...widenForZeros(dtype, bytes)]).toEqual(numbers);
    }
  },
);

test("the table has the element types of safetensors 0.8 in its order, with their bits", () => {
  expect(DTYPES.map((dtype) => `${dtype} ${8 * elementBytes(dtype)}`).join(", ")).toBe(
    "BOOL 8, F4 4, F6_E2M3 6, F6_E3M2 6, U8 8, I8 8, F8_E5M2 8, F8_E4M3 8, F8_E8M0 8, " +
      "F8_E4M3FNUZ 8, F8_E5M2FNUZ 8, I16 16, U16 16, F16 16, BF16 16, I32 32, U32 32, F32 32, " +
      "C64 64, F64 64, I64 64, U64 64",
  );
});

test("other types refuse computations by name", () => {
  const others = DTYPES.filter((dtype) => !NUMBERS.some(([known]) => known === dtype));
  expect(others).toHaveLength(9);
  for (const dtype of others) {
    expect(hasNumbers(dtype)).toBe(false);
    const expected = `dtype: expected a type of numbers to compute with, got ${dtype}`;
    expect(() => widenToFloat32(dtype, new Uint8Array(24))).toThrow(new RangeError(expected));
  }
});

test("zeros of doubles and 8-bit floats can be counted, those of opaque types cannot", () => {
  const small = new Uint8Array(Float64Array.of(0, 1e-300, -0).buffer);
  expect([...widenForZeros("F64", small)]).toEqual([0, 1e-300, -0]);
  expect([...widenForZeros("F8_E4M3", Uint8Array.of(0, 0x80, 1))]).toEqual([0, -0, 2 ** -9]);
  const opaque = DTYPES.filter((dtype) => !hasCountableZeros(dtype));
  expect(opaque).toEqual(["F4", "F6_E2M3", "F6_E3M2", "C64"]);
  for (const dtype of opaque)
    expect(() => widenForZeros(dtype, new Uint8Array(24))).toThrow(RangeError);
});

/** The float32 nearest to an integer, ties to even, by comparing exact integers. */
function nearestFloat32(value: bigint): number {
  if (value > -(1n << 24n) && value < 1n << 24n) return Number(value);
  const rounded = Math.fround(Number(value));
  const bits = new Uint32Array(Float32Array.of(rounded).buffer);
  const candidates = [-1, 0, 1].map((step) => {
    const [neighbour = 0] = new Float32Array(Uint32Array.of((bits[0] ?? 0) + step).buffer);
    return { neighbour, isOdd: ((bits[0] ?? 0) + step) % 2 };
  });
  const distance = (x: number): bigint => {
    const difference = BigInt(x) - value;
    return difference < 0n ? -difference : difference;
  };
  candidates.sort((a, b) => {
    const [near, far] = [distance(a.neighbour), distance(b.neighbour)];
    return near < far ? -1 : near > far ? 1 : a.isOdd - b.isOdd;
  });
  return candidates[0]?.neighbour ?? Number.NaN;
}

test("64-bit integers round once, to nearest even", () => {
  // Sums of few powers of two are close to the points halfway between floats.
  const power = fc.integer({ min: 0, max: 63 }).map((exponent) => 1n << BigInt(exponent));
  const sums = fc
    .array(fc.tuple(power, fc.boolean()), { minLength: 1, maxLength: 5 })
    .map((terms) => terms.reduce((sum, [term, minus]) => sum + (minus ? -term : term), 0n));
  fc.assert(
    fc.property(
      fc.oneof(sums, fc.bigInt({ min: -(1n << 63n), max: (1n << 64n) - 1n })),
      (value) => {
        const unsigned = BigUint64Array.of(value);
        const [asUnsigned = 0n] = unsigned;
        const asSigned = BigInt.asIntN(64, value);
        const bytes = new Uint8Array(unsigned.buffer);
        for (const [dtype, exact] of [
          ["U64", asUnsigned],
          ["I64", asSigned],
        ] as const) {
          expect(widenToFloat32(dtype, bytes)[0]).toBe(nearestFloat32(exact));
        }
      },
    ),
    { numRuns: 2000 },
  );
  const halfway = BigInt64Array.of((1n << 62n) + (1n << 38n) + 1n);
  expect(widenToFloat32("I64", new Uint8Array(halfway.buffer))[0]).toBe(2 ** 62 + 2 ** 39);
});

test("every float16 and bfloat16 keeps its value and the bits of a NaN", () => {
  const every = Uint16Array.from({ length: 0x10000 }, (_, half) => half);
  const bytes = new Uint8Array(every.buffer);
  const bits = (dtype: Dtype) => new Uint32Array(widenToFloat32(dtype, bytes).buffer);
  expect(bits("F16")).toEqual(Uint32Array.from(every, (half) => float32BitsFromFloat16(half)));
  expect(bits("BF16")).toEqual(Uint32Array.from(every, (half) => (half << 16) >>> 0));
});

test("widening never returns the stored bytes themselves", () => {
  const bytes = narrowFromFloat32("F32", Float32Array.of(1, 2));
  widenToFloat32("F32", bytes).fill(9);
  expect([...widenToFloat32("F32", bytes)]).toEqual([1, 2]);
});

test("narrowing leaves its input alone and gives fresh bytes", () => {
  const values = Float32Array.of(1.5, -0, 70000);
  for (const dtype of ["F64", "F32", "F16", "BF16"] as const) {
    narrowFromFloat32(dtype, values).fill(0);
    expect([...values]).toEqual([1.5, -0, 70000]);
  }
  expect([...widenToFloat32("F16", narrowFromFloat32("F16", values))]).toEqual([1.5, -0, Infinity]);
});
