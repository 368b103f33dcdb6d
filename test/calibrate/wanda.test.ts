import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pruneCalibrated } from "../../src/calibrate/prune.ts";
import { exactCount } from "../../src/prune/exact.ts";
import { outputError, prunedOfRows, seededLayer } from "./layers.ts";

const seeds = fc.integer({ min: 0, max: 1e6 });
const shares = fc.double({ min: 0, max: 0.99, noNaN: true });

describe("Wanda", () => {
  test("prunes the lowest products of magnitude and norm in each row", () => {
    fc.assert(
      fc.property(seeds, shares, (seed, targetSparsity) => {
        const { layer, statistics } = seededLayer(seed, 3, 20, 9);
        const { mask, data } = pruneCalibrated(layer, statistics, {
          criterion: "wanda",
          targetSparsity,
        });
        const count = exactCount(20, targetSparsity);
        expect(prunedOfRows(mask, 20)).toEqual([count, count, count]);
        expect(data).toEqual(layer.data.map((w, i) => (mask[i] === 1 ? w : 0)));
        const metric = layer.data.map(
          (w, i) => Math.abs(w) * Math.fround(Math.sqrt(statistics.squaredNorms?.[i % 20] ?? 0)),
        );
        for (let row = 0; row < 60; row += 20) {
          const at = (bit: number): number[] =>
            Array.from(metric.subarray(row, row + 20)).filter((_, i) => mask[row + i] === bit);
          expect(Math.max(...at(0))).toBeLessThanOrEqual(Math.min(...at(1)));
        }
      }),
    );
  });

  test("of strict prunes whole groups up to the target", () => {
    fc.assert(
      fc.property(seeds, shares, (seed, share) => {
        const { layer, statistics } = seededLayer(seed, 2, 24, 9);
        const options = { criterion: "wanda", pattern: "2:4", targetSparsity: share / 2 } as const;
        const { mask } = pruneCalibrated(layer, statistics, options);
        const count = 2 * exactCount(6, share);
        expect(prunedOfRows(mask, 24)).toEqual([count, count]);
        for (let group = 0; group < mask.length; group += 4)
          expect([0, 2]).toContain(prunedOfRows(mask.subarray(group, group + 4), 4)[0]);
      }),
    );
  });

  test("in its variant prunes exactly the target of the layer under strict, whatever it is", () => {
    fc.assert(
      fc.property(seeds, shares, (seed, targetSparsity) => {
        const { layer, statistics } = seededLayer(seed, 4, 20, 9);
        const options = { criterion: "wanda", variant: true, targetSparsity } as const;
        const { mask, alpha } = pruneCalibrated(layer, statistics, options);
        const pruned = prunedOfRows(mask, 20).reduce((sum, count) => sum + count, 0);
        expect(pruned).toBe(exactCount(80, targetSparsity));
        expect(alpha).toBeGreaterThanOrEqual(0);
        expect(alpha).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("in its variant takes a similar share of each row's sum", () => {
    const { layer, statistics } = seededLayer(4, 8, 400, 40);
    for (const profile of ["inc", "strict"] as const) {
      const options = { criterion: "wanda", variant: true, profile } as const;
      const { mask, alpha } = pruneCalibrated(layer, statistics, options);
      for (let row = 0; row < mask.length; row += 400) {
        let [pruned, all] = [0, 0];
        for (let i = row; i < row + 400; i++) {
          const w = layer.data[i] ?? 0;
          const metric = Math.abs(w) * Math.sqrt(statistics.squaredNorms?.[i % 400] ?? 0);
          all += metric;
          if (mask[i] === 0) pruned += metric;
        }
        // One element of 400 is at most this share.
        expect(Math.abs(pruned / all - (alpha ?? 0))).toBeLessThan(0.01);
      }
      expect(prunedOfRows(mask, 400).reduce((sum, count) => sum + count, 0) / 3200).toBeCloseTo(
        0.5,
        2,
      );
    }
  });

  test("has a lower median error than magnitude if features differ in size, over 100 layers", () => {
    const ratios = Array.from({ length: 100 }, (_, seed) => {
      const { layer, inputs, statistics } = seededLayer(seed, 8, 24, 96);
      const error = (after: Float32Array) => outputError(layer.data, after, inputs, 24);
      const same = { ...statistics, squaredNorms: new Float32Array(24).fill(1) };
      const wanda = pruneCalibrated(layer, statistics, { criterion: "wanda" });
      const magnitude = pruneCalibrated(layer, same, { criterion: "wanda" });
      return error(wanda.data) / error(magnitude.data);
    }).sort((a, b) => a - b);
    expect(ratios[50]).toBeLessThan(1);
  });
});
