import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DTYPES,
  type Dtype,
  narrowFromFloat32,
  rawElements,
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

test("every dtype widens to the numbers it holds, from any alignment", () => {
  const examples: Readonly<Record<Dtype, readonly [ArrayBuffer, readonly number[]]>> = {
    BOOL: [Uint8Array.of(0, 1).buffer, [0, 1]],
    U8: [Uint8Array.of(0, 255).buffer, [0, 255]],
    I8: [Int8Array.of(-128, 127).buffer, [-128, 127]],
    I16: [Int16Array.of(-32768, 5).buffer, [-32768, 5]],
    U16: [Uint16Array.of(65535, 5).buffer, [65535, 5]],
    F16: [Uint16Array.of(0x3c00, 0xc000).buffer, [1, -2]],
    BF16: [Uint16Array.of(0x3f80, 0xc000).buffer, [1, -2]],
    I32: [Int32Array.of(-7, 16777216).buffer, [-7, 16777216]],
    U32: [Uint32Array.of(7, 2 ** 31).buffer, [7, 2 ** 31]],
    F32: [Float32Array.of(0.5, -3).buffer, [0.5, -3]],
    F64: [Float64Array.of(0.5, 0.1).buffer, [0.5, Math.fround(0.1)]],
    I64: [BigInt64Array.of(-5n, 1n << 40n).buffer, [-5, 2 ** 40]],
    U64: [BigUint64Array.of(5n, 1n << 63n).buffer, [5, 2 ** 63]],
  };
  for (const dtype of DTYPES) {
    const [buffer, numbers] = examples[dtype];
    const shifted = new Uint8Array(buffer.byteLength + 1);
    shifted.set(new Uint8Array(buffer), 1);
    for (const bytes of [new Uint8Array(buffer), shifted.subarray(1)]) {
      expect([...widenToFloat32(dtype, bytes)]).toEqual(numbers);
      expect(rawElements(dtype, bytes)).toHaveLength(numbers.length);
    }
  }
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
