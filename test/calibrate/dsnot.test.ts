import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pruneCalibrated } from "../../src/calibrate/prune.ts";
import { prunedOfRows, seededLayer } from "./layers.ts";

const seeds = fc.integer({ min: 0, max: 1e6 });

/** The expected error of each row: the products of its pruned weights and the mean sums of the features. */
function expectedErrors(data: Float32Array, mask: Uint8Array, sums: Float32Array): number[] {
  const columns = sums.length;
  return Array.from({ length: data.length / columns }, (_, row) => {
    let error = 0;
    for (let i = 0; i < columns; i++)
      if (mask[row * columns + i] === 0) error += (data[row * columns + i] ?? 0) * (sums[i] ?? 0);
    return Math.abs(error);
  });
}

describe("DSnoT of strict", () => {
  test.each(["1x1", "2:4"])(
    "keeps %s and its counts, and lowers the expected error of each row",
    (pattern) => {
      fc.assert(
        fc.property(seeds, fc.boolean(), (seed, keepSign) => {
          const { layer, statistics } = seededLayer(seed, 4, 24, 30);
          const sums = statistics.sums ?? new Float32Array();
          const wanda = pruneCalibrated(layer, statistics, { criterion: "wanda", pattern });
          const options = { criterion: "dsnot", pattern, keepSign } as const;
          const { mask } = pruneCalibrated(layer, statistics, options);
          expect(prunedOfRows(mask, 24)).toEqual(prunedOfRows(wanda.mask, 24));
          if (pattern === "2:4") expect(prunedOfRows(mask, 4)).toEqual(new Array(24).fill(2));
          const before = expectedErrors(layer.data, wanda.mask, sums);
          const after = expectedErrors(layer.data, mask, sums);
          after.forEach((error, row) => {
            expect(error).toBeLessThanOrEqual((before[row] ?? 0) + 1e-5);
          });
        }),
      );
    },
  );

  test("treats each row as if it were alone", () => {
    const { layer, statistics } = seededLayer(21, 4, 32, 40);
    const whole = pruneCalibrated(layer, statistics, { criterion: "dsnot" });
    for (let row = 0; row < 4; row++) {
      const data = layer.data.slice(row * 32, (row + 1) * 32);
      const alone = pruneCalibrated({ shape: [1, 32], data }, statistics, { criterion: "dsnot" });
      expect(alone.data).toEqual(whole.data.slice(row * 32, (row + 1) * 32));
    }
  });

  test("without cycles has the initial mask", () => {
    const { layer, statistics } = seededLayer(22, 4, 32, 40);
    const { mask } = pruneCalibrated(layer, statistics, { criterion: "dsnot", maxCycles: 0 });
    expect(mask).toEqual(pruneCalibrated(layer, statistics, { criterion: "wanda" }).mask);
    const magnitude = pruneCalibrated(layer, statistics, {
      criterion: "dsnot",
      maxCycles: 0,
      initialMetric: "magnitude",
    });
    const own = pruneCalibrated(layer, statistics, {
      criterion: "dsnot",
      maxCycles: 0,
      initialMetric: layer.data.map(Math.abs),
    });
    expect(own.mask).toEqual(magnitude.mask);
    expect(own.mask).not.toEqual(mask);
  });
});

describe("DSnoT of inc", () => {
  test("refuses a layer whose rows run out of candidates, and changes nothing", () => {
    const { layer, statistics } = seededLayer(23, 6, 12, 40);
    const before = layer.data.slice();
    const options = { criterion: "dsnot", profile: "inc", maxCycles: 1000 } as const;
    const eager = { ...options, updateThreshold: 0 };
    expect(() => pruneCalibrated(layer, statistics, eager)).toThrow(/maxCycles: expected at most/);
    expect(layer.data).toEqual(before);
    // Strict stops these rows.
    expect(() => pruneCalibrated(layer, statistics, { ...eager, profile: "strict" })).not.toThrow();
  });

  test("refuses to regrow in an incomplete group", () => {
    const { layer, statistics } = seededLayer(26, 6, 18, 40);
    const options = { criterion: "dsnot", profile: "inc", pattern: "2:4", maxCycles: 8 } as const;
    expect(() => pruneCalibrated(layer, statistics, options)).toThrow(/columns that groups of 4/);
    // Without cycles, the last two columns are pruned as a group that is short.
    const { mask } = pruneCalibrated(layer, statistics, { ...options, maxCycles: 0 });
    expect(prunedOfRows(mask, 18)).toEqual(new Array(6).fill(10));
  });

  test("lets a row depend on the others", () => {
    const { layer, statistics } = seededLayer(25, 6, 200, 40);
    const options = { criterion: "dsnot", profile: "inc" } as const;
    const whole = pruneCalibrated(layer, statistics, options);
    const rows = Array.from({ length: 6 }, (_, row) => {
      const data = layer.data.slice(row * 200, (row + 1) * 200);
      return pruneCalibrated({ shape: [1, 200], data }, statistics, options).mask;
    });
    expect(rows.flatMap((mask) => Array.from(mask))).not.toEqual(Array.from(whole.mask));
  });
});
