import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pruneCalibrated } from "../../src/calibrate/prune.ts";
import type { LayerStatistics } from "../../src/calibrate/statistics.ts";
import { exactCount } from "../../src/prune/exact.ts";
import { outputError, prunedOfRows, relativeDifference, seededLayer } from "./layers.ts";

const seeds = fc.integer({ min: 0, max: 1e6 });
const patterns = fc.constantFrom("1x1", "2:4", "1:4", "3:8");

/** tr(D H D') for the change D of a weight. */
function quadratic(
  before: Float32Array,
  after: Float32Array,
  hessian: Float32Array,
  damping: number,
  columns: number,
): number {
  let total = 0;
  for (let row = 0; row < before.length; row += columns)
    for (let i = 0; i < columns; i++)
      for (let j = 0; j < columns; j++) {
        const [a, b] = [i, j].map((k) => (before[row + k] ?? 0) - (after[row + k] ?? 0));
        const h = (hessian[i * columns + j] ?? 0) + (i === j ? damping : 0);
        total += (a ?? 0) * h * (b ?? 0);
      }
  return total;
}

/** Statistics with the Hessian c I. */
function isotropic(columns: number, c: number): LayerStatistics {
  const { statistics } = seededLayer(1, 1, columns, 8);
  const hessian = new Float32Array(columns * columns);
  for (let i = 0; i < columns; i++) hessian[i * (columns + 1)] = c;
  return { ...statistics, hessian };
}

describe("SparseGPT", () => {
  test("states the error of its change under the damped Hessian", () => {
    fc.assert(
      fc.property(
        seeds,
        patterns,
        fc.constantFrom("inc" as const, "strict" as const),
        fc.constantFrom(8, 128),
        (seed, pattern, profile, blockSize) => {
          const { layer, statistics } = seededLayer(seed, 5, 24, 60);
          const options = { criterion: "sparsegpt", pattern, profile, blockSize } as const;
          const { data, error, damping } = pruneCalibrated(layer, statistics, options);
          const want = quadratic(
            layer.data,
            data,
            statistics.hessian ?? new Float32Array(),
            damping ?? 0,
            24,
          );
          // Both sum 5 x 24 squares, whose factors are rounded to float32 up to 24 times.
          expect(Math.abs((error ?? 0) - want) / want).toBeLessThan(1e-4);
        },
      ),
      { numRuns: 25 },
    );
  });

  test("with the Hessian c I has magnitude's mask and updates nothing", () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(0.5, 3, 100), (seed, c) => {
        const { layer } = seededLayer(seed, 4, 16, 4);
        const { data, mask } = pruneCalibrated(layer, isotropic(16, c), {
          criterion: "sparsegpt",
          targetSparsity: 0.5,
        });
        for (let row = 0; row < 64; row += 16) {
          const magnitudes = Array.from(layer.data.subarray(row, row + 16), Math.abs);
          const order = magnitudes.map((_, i) => i);
          order.sort((a, b) => (magnitudes[a] ?? 0) - (magnitudes[b] ?? 0));
          const kept = new Set(order.slice(8));
          expect(Array.from(mask.subarray(row, row + 16))).toEqual(
            order.map((_, i) => Number(kept.has(i))),
          );
        }
        expect(data).toEqual(layer.data.map((w, i) => (mask[i] === 1 ? w : 0)));
      }),
      { numRuns: 25 },
    );
  });

  test("that prunes nothing changes nothing", () => {
    const { layer, statistics } = seededLayer(3, 4, 16, 40);
    for (const pattern of ["1x1", "2:4"]) {
      const options = { criterion: "sparsegpt", pattern, targetSparsity: 0 } as const;
      const { data, mask, error } = pruneCalibrated(layer, statistics, options);
      expect(data).toEqual(layer.data);
      expect(mask.every((kept) => kept === 1)).toBe(true);
      expect(error).toBe(0);
    }
  });

  test("of strict prunes exactly the target of each row, in groups that no block end divides", () => {
    fc.assert(
      fc.property(
        seeds,
        patterns,
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        fc.integer({ min: 1, max: 30 }),
        (seed, pattern, share, blockSize) => {
          const { layer, statistics } = seededLayer(seed, 3, 24, 50);
          const [n = 1, m = 1] = pattern === "1x1" ? [] : pattern.split(":").map(Number);
          const targetSparsity = (share * n) / m;
          const options = { criterion: "sparsegpt", pattern, targetSparsity, blockSize } as const;
          const { mask, data } = pruneCalibrated(layer, statistics, options);
          const count = exactCount(24 / m, (targetSparsity * m) / n) * n;
          expect(prunedOfRows(mask, 24)).toEqual([count, count, count]);
          for (let group = 0; group < mask.length; group += m)
            expect([0, n]).toContain(prunedOfRows(mask.subarray(group, group + m), m)[0]);
          expect(data.every((w, i) => mask[i] === 1 || w === 0)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("of strict treats each row as if it were alone", () => {
    const { layer, statistics } = seededLayer(11, 4, 32, 70);
    for (const pattern of ["1x1", "2:4"]) {
      const options = { criterion: "sparsegpt", pattern, blockSize: 8 } as const;
      const whole = pruneCalibrated(layer, statistics, options);
      for (let row = 0; row < 4; row++) {
        const data = layer.data.slice(row * 32, (row + 1) * 32);
        const alone = pruneCalibrated({ shape: [1, 32], data }, statistics, options);
        expect(alone.data).toEqual(whole.data.slice(row * 32, (row + 1) * 32));
      }
    }
  });

  test("of strict keeps zeros, which count towards the target", () => {
    const { layer, statistics } = seededLayer(5, 6, 32, 70);
    const data = layer.data.map((w, i) => (i % 3 === 0 ? 0 : w));
    const zeros = { ...layer, data };
    for (const pattern of ["1x1", "2:4"]) {
      const options = { criterion: "sparsegpt", pattern, blockSize: 8 } as const;
      const result = pruneCalibrated(zeros, statistics, options);
      expect(prunedOfRows(result.mask, 32)).toEqual(new Array(6).fill(16));
      expect(data.every((w, i) => w !== 0 || result.data[i] === 0)).toBe(true);
    }
    const more = { ...layer, data: layer.data.map((w, i) => (i % 32 < 20 ? 0 : w)) };
    const result = pruneCalibrated(more, statistics, { criterion: "sparsegpt", blockSize: 8 });
    expect(prunedOfRows(result.mask, 32)).toEqual(new Array(6).fill(20));
    expect(result.data).toEqual(more.data);
  });

  test("prunes weights of features that are always zero first, without updates", () => {
    const { layer, statistics } = seededLayer(8, 3, 16, 40);
    const hessian = statistics.hessian?.map((h, i) => (i % 16 === 5 || i >> 4 === 5 ? 0 : h));
    const dead = { ...statistics, hessian: hessian ?? null };
    const options = { criterion: "sparsegpt", targetSparsity: 1 / 16 } as const;
    const { data, error } = pruneCalibrated(layer, dead, options);
    expect(data).toEqual(layer.data.map((w, i) => (i % 16 === 5 ? 0 : w)));
    expect(error).toBe(0);
  });

  test("has a lower median error than magnitude at equal counts, over 100 layers", () => {
    const ratios = Array.from({ length: 100 }, (_, seed) => {
      const { layer, inputs, statistics } = seededLayer(seed, 8, 24, 96);
      const { data, mask } = pruneCalibrated(layer, statistics, { criterion: "sparsegpt" });
      const magnitude = pruneCalibrated(layer, isotropic(24, 1), { criterion: "sparsegpt" });
      expect(prunedOfRows(mask, 24)).toEqual(prunedOfRows(magnitude.mask, 24));
      const error = (after: Float32Array) => outputError(layer.data, after, inputs, 24);
      return error(data) / error(magnitude.data);
    }).sort((a, b) => a - b);
    // About a third was measured.
    expect(ratios[50]).toBeLessThan(0.6);
  });

  test("of a weight stored [in, out] is that of the transposed weight", () => {
    const { layer, statistics } = seededLayer(2, 6, 16, 40);
    const turned = Float32Array.from(
      { length: 96 },
      (_, i) => layer.data[(i % 6) * 16 + Math.floor(i / 6)] ?? 0,
    );
    const stored = { shape: [16, 6], data: turned, inputsFirst: true };
    for (const criterion of ["sparsegpt", "wanda", "dsnot"] as const) {
      const plain = pruneCalibrated(layer, statistics, { criterion });
      const other = pruneCalibrated(stored, statistics, { criterion });
      const back = plain.data.map((_, i) => other.data[(i % 16) * 6 + Math.floor(i / 16)] ?? 0);
      expect(relativeDifference(plain.data, back)).toBe(0);
    }
  });
});
