import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/core/digest.ts";

describe("a digest", () => {
  it("is equal for equal data, and for copies", () => {
    fc.assert(
      fc.property(fc.anything({ withTypedArray: true, withMap: true, withDate: true }), (value) => {
        const digest = digestOf(value);
        expect(digest).toMatch(/^[0-9a-f]{16}$/);
        expect(digestOf(structuredClone(value))).toBe(digest);
      }),
    );
  });

  it("differs for JSON values that differ", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(digestOf(a) === digestOf(b)).toBe(sorted(a) === sorted(b));
      }),
    );
  });

  it.each([
    ["order", [1, 2], [2, 1]],
    ["nesting", [[1], [2]], [[1, 2]]],
    ["signs of zero", 0, -0],
    ["numbers that float32 rounds", 0.1, Math.fround(0.1)],
    ["keys", { a: 1 }, { b: 1 }],
    ["text and numbers", "1", 1],
    ["empty entries", new Map(), []],
    ["buffers", new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
    ["dates", new Date(1), new Date(2)],
    ["nothing and undefined", null, undefined],
    ["large integers", 2n ** 70n, 2n ** 71n],
  ])("tells %s apart", (_, a, b) => {
    expect(digestOf(a)).not.toBe(digestOf(b));
  });

  it("reads arrays of all types alike, and keys in any order", () => {
    expect(digestOf(new Int32Array([1, 2]))).toBe(digestOf([1, 2]));
    expect(digestOf(new Float32Array([1.5, 2]))).toBe(digestOf([1.5, 2]));
    expect(digestOf({ a: 1, b: 2 })).toBe(digestOf({ b: 2, a: 1 }));
    expect(digestOf([new Date(Number.NaN), () => 1])).toMatch(/^[0-9a-f]{16}$/);
  });

  it("ends for data that contain themselves, and does not depend on sharing", () => {
    const cycle: unknown[] = [1];
    cycle.push(cycle);
    expect(digestOf(cycle)).not.toBe(digestOf([1]));
    const row = [1, 2];
    expect(digestOf([row, row])).toBe(
      digestOf([
        [1, 2],
        [1, 2],
      ]),
    );
  });
});

/** JSON text with sorted keys, in which -0 differs from 0. */
function sorted(value: unknown): string {
  if (Object.is(value, -0)) return "-0";
  if (Array.isArray(value)) return `[${value.map(sorted).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${sorted(entry)}`).join()}}`;
}
