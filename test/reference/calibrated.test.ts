/** Calibrated pruning beside its plain twins, on random layers. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { pruneCalibrated } from "../../src/calibrate/prune.ts";
import { dsnotReference } from "../../src/reference/dsnot.ts";
import { elements, weightMatrix } from "../../src/reference/matrix.ts";
import { sparseGptReference } from "../../src/reference/sparsegpt.ts";
import { wandaReference } from "../../src/reference/wanda.ts";
import { relativeDifference, seededLayer } from "../calibrate/layers.ts";

const PATTERNS = [
  ["1x1", { prune: 1, of: 1 }],
  ["2:4", { prune: 2, of: 4 }],
  ["1:3", { prune: 1, of: 3 }],
] as const;
const COLUMNS = 24;
const seeds = fc.integer({ min: 0, max: 1e6 });
const patterns = fc.constantFrom(...PATTERNS);
const profiles = fc.constantFrom("inc" as const, "strict" as const);
const shares = fc.double({ min: 0, max: 0.95, noNaN: true });

test("SparseGPT is the optimal brain surgeon of the columns that are left", () => {
  fc.assert(
    fc.property(
      seeds,
      patterns,
      profiles,
      shares,
      fc.constantFrom(6, 10, 128),
      (seed, [pattern, units], profile, share, size) => {
        const { layer, statistics } = seededLayer(seed, 4, COLUMNS, 60);
        // A short last group loses all that INC's N asks for, if it has as many: blocks of 6 and 10 end with two of 2:4.
        const blockSize = pattern === "1:3" ? 128 : size;
        const target = share * (units.prune / units.of);
        const options = { criterion: "sparsegpt", pattern, profile, blockSize } as const;
        const got = pruneCalibrated(layer, statistics, { ...options, targetSparsity: target });
        const hessian = weightMatrix(statistics.hessian ?? new Float32Array(), [COLUMNS, COLUMNS]);
        const weight = weightMatrix(layer.data, layer.shape);
        const settings = { profile, units, target, blockSize, damping: 0.01 };
        const want = sparseGptReference(weight, hessian, settings);
        expect(Array.from(got.mask)).toEqual(elements(want.mask));
        // Float32 rounds the factor, and each weight up to 24 times.
        expect(relativeDifference(elements(want.weight), got.data)).toBeLessThan(1e-4);
        expect(Math.abs((got.error ?? 0) - want.error)).toBeLessThanOrEqual(1e-4 * want.error);
      },
    ),
    { numRuns: 40 },
  );
});

test("Wanda takes the lowest metrics", () => {
  fc.assert(
    fc.property(seeds, patterns, profiles, shares, (seed, [pattern, units], profile, share) => {
      const { layer, statistics } = seededLayer(seed, 4, COLUMNS, 9);
      const target = share * (units.prune / units.of);
      const options = { criterion: "wanda", pattern, profile, targetSparsity: target } as const;
      const norms = Array.from(statistics.squaredNorms ?? []);
      const weight = weightMatrix(layer.data, layer.shape);
      const want = wandaReference(weight, norms, units, target, profile);
      expect(Array.from(pruneCalibrated(layer, statistics, options).mask)).toEqual(elements(want));
    }),
  );
});

test("DSnoT of strict swaps in each row by itself", () => {
  fc.assert(
    fc.property(
      seeds,
      patterns,
      fc.boolean(),
      fc.integer({ min: 0, max: 12 }),
      (seed, [pattern, units], keepSign, maxCycles) => {
        const { layer, statistics } = seededLayer(seed, 4, COLUMNS, 30);
        const swaps = { keepSign, maxCycles };
        const got = pruneCalibrated(layer, statistics, { criterion: "dsnot", pattern, ...swaps });
        const [norms, sums, variances] = (["squaredNorms", "sums", "variances"] as const).map(
          (part) => Array.from(statistics[part] ?? []),
        ) as [number[], number[], number[]];
        const weight = weightMatrix(layer.data, layer.shape);
        const target = pattern === "1x1" ? 0.5 : units.prune / units.of;
        const start = wandaReference(weight, norms, units, target, "strict");
        const settings = { norms, sums, variances, units, threshold: 0.1, ...swaps };
        expect(Array.from(got.mask)).toEqual(elements(dsnotReference(weight, start, settings)));
      },
    ),
  );
});
