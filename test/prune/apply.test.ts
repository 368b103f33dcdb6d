import { describe, expect, test } from "vitest";
import {
  applyMaskInto,
  createPruningScratch,
  initialisePruning,
  type LayerRecord,
  onStepBeginInto,
  parsePruningConfigOrThrow,
} from "../../src/index.ts";

const OPTIONS = { profile: "strict", excludeHead: false } as const;

describe("applyMaskInto", () => {
  test("any entry but 0 keeps its element, bits and all", () => {
    const values = Float32Array.of(1.7, 2, -0, 4);
    applyMaskInto(Uint8Array.of(255, 0, 255, 1), values);
    expect([...values].map((value) => (Object.is(value, -0) ? "-0" : value))).toEqual([
      Math.fround(1.7),
      0,
      "-0",
      4,
    ]);
  });

  test("other arrays and lengths are refused", () => {
    const mask = Uint8Array.of(1, 0);
    expect(() => applyMaskInto(mask, new Float64Array(2) as never)).toThrow(TypeError);
    expect(() => applyMaskInto(mask, new Float32Array(3))).toThrow(RangeError);
  });

  test("an array whose buffer has grown is masked to its end", () => {
    // Both are recent: the buffer's option, and arrays that follow it.
    const Growing = ArrayBuffer as unknown as new (
      length: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(length: number): void };
    const buffer = new Growing(16, { maxByteLength: 64 });
    const data = new Float32Array(buffer);
    const layer = (): LayerRecord => ({ name: "a", kind: "linear", shape: [1, data.length], data });
    for (const length of [4, 8]) {
      buffer.resize(4 * length);
      data.set(Float32Array.from({ length }, (_, i) => i + 1));
      const config = parsePruningConfigOrThrow({
        pattern: "1x1",
        pruning_type: "magnitude",
        target_sparsity: 0.75,
      });
      const state = initialisePruning(config, [layer()], OPTIONS);
      onStepBeginInto(state, 0, [layer()], createPruningScratch(state));
      expect(data.filter((value) => value === 0).length).toBe(0.75 * length);
    }
  });
});
