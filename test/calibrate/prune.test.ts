import { describe, expect, test } from "vitest";
import type { CalibratedOptions } from "../../src/calibrate/options.ts";
import { pruneCalibrated } from "../../src/calibrate/prune.ts";
import type { LayerStatistics } from "../../src/calibrate/statistics.ts";
import { PruningError } from "../../src/prune/layer.ts";
import { seededLayer } from "./layers.ts";

const { layer, statistics } = seededLayer(1, 4, 16, 40);
const few = seededLayer(1, 4, 16, 5).statistics;

function codeOf(options: CalibratedOptions, other: Partial<LayerStatistics> = {}): unknown {
  try {
    pruneCalibrated(layer, { ...statistics, ...other }, options);
  } catch (error) {
    return error instanceof PruningError ? `${error.code} ${error.problem.path}` : error;
  }
  return undefined;
}

describe("refused are", () => {
  test.each<[string, CalibratedOptions, Partial<LayerStatistics>, string]>([
    [
      "blocks",
      { criterion: "wanda", pattern: "4x1" },
      {},
      "unsupported-combination options.pattern",
    ],
    [
      "1x16 under strict",
      { criterion: "sparsegpt", pattern: "1x16" },
      {},
      "unsupported-combination options.pattern",
    ],
    [
      "too high a target for N:M",
      { criterion: "sparsegpt", pattern: "2:4", targetSparsity: 0.6 },
      {},
      "infeasible-budget options.targetSparsity",
    ],
    [
      "groups that do not divide",
      { criterion: "wanda", pattern: "2:5" },
      {},
      "indivisible-shape layer",
    ],
    [
      "a short group of inc",
      { criterion: "wanda", pattern: "2:5", profile: "inc" },
      {},
      "indivisible-shape layer",
    ],
    [
      "a short group at a block end of inc",
      { criterion: "sparsegpt", pattern: "2:4", profile: "inc", blockSize: 5 },
      {},
      "indivisible-shape layer",
    ],
    [
      "fewer tokens than columns without damping",
      { criterion: "sparsegpt", damping: 0 },
      few,
      "invalid-statistics options.damping",
    ],
    [
      "a Hessian that is not positive definite",
      { criterion: "sparsegpt" },
      { hessian: Float32Array.from({ length: 256 }, (_, i) => (i % 17 === 0 ? 1 : 2)) },
      "invalid-statistics statistics.hessian",
    ],
    [
      "a singular Hessian of unknown tokens",
      { criterion: "sparsegpt", damping: 0 },
      { ...few, tokens: null },
      "invalid-statistics statistics.hessian",
    ],
    [
      "statistics of other columns",
      { criterion: "wanda" },
      seededLayer(1, 4, 12, 40).statistics,
      "layer-mismatch statistics.columns",
    ],
  ])("%s", (_, options, other, code) => {
    expect(codeOf(options, other)).toBe(code);
  });

  test.each<[string, CalibratedOptions, Partial<LayerStatistics>, RegExp]>([
    [
      "NaN in a Hessian",
      { criterion: "sparsegpt" },
      { hessian: new Float32Array(256).fill(NaN) },
      /statistics.hessian\[0\]: expected a finite number/,
    ],
    [
      "a Hessian of another shape",
      { criterion: "sparsegpt" },
      { hessian: new Float32Array(15) },
      /statistics.hessian: expected 256 elements/,
    ],
    [
      "a negative diagonal",
      { criterion: "sparsegpt" },
      { hessian: new Float32Array(256).fill(-1) },
      /at least 0/,
    ],
    [
      "a missing Hessian",
      { criterion: "sparsegpt" },
      { hessian: null },
      /statistics.hessian: expected values for sparsegpt, got null/,
    ],
    ["missing norms", { criterion: "wanda" }, { squaredNorms: null }, /statistics.squaredNorms/],
    ["missing variances", { criterion: "dsnot" }, { variances: null }, /statistics.variances/],
    [
      "a target of 1 where INC fails",
      { criterion: "sparsegpt", targetSparsity: 1, profile: "inc" },
      {},
      /targetSparsity: expected less than 1/,
    ],
    [
      "an option of another criterion",
      { criterion: "wanda", damping: 1 } as never,
      {},
      /options.damping/,
    ],
    ["another criterion", { criterion: "magnitude" } as never, {}, /options.criterion/],
    [
      "a metric of another shape",
      { criterion: "dsnot", initialMetric: new Float32Array(3) },
      {},
      /initialMetric: expected 64 elements/,
    ],
  ])("%s", (_, options, other, message) => {
    expect(() => pruneCalibrated(layer, { ...statistics, ...other }, options)).toThrow(message);
  });

  test.each([
    [
      "NaN in a weight",
      { shape: [4, 16], data: new Float32Array(64).fill(NaN) },
      /layer.data\[0\]/,
    ],
    ["a weight of another length", { shape: [4, 16], data: new Float32Array(60) }, /layer.data/],
    [
      "a convolution",
      { shape: [4, 4, 4], data: new Float32Array(64) },
      /layer.shape: expected two axes/,
    ],
  ])("%s", (_, wrong, message) => {
    expect(() => pruneCalibrated(wrong, statistics, { criterion: "wanda" })).toThrow(message);
  });
});

test("damping alone makes a Hessian of fewer tokens than columns positive definite", () => {
  const { damping, error } = pruneCalibrated(layer, few, { criterion: "sparsegpt" });
  const trace = Array.from({ length: 16 }, (_, i) => few.hessian?.[i * 17] ?? 0);
  const mean = trace.reduce((sum, value) => sum + value, 0) / 16;
  expect(damping).toBeCloseTo(0.01 * mean, 5);
  expect(Number.isFinite(error)).toBe(true);
});

test("inc and strict differ as documented", () => {
  const inc = pruneCalibrated(layer, statistics, { criterion: "sparsegpt", profile: "inc" });
  const strict = pruneCalibrated(layer, statistics, { criterion: "sparsegpt" });
  const zeros = (mask: Uint8Array) => mask.reduce((sum, kept) => sum + 1 - kept, 0);
  // The threshold itself is pruned.
  expect([zeros(inc.mask), zeros(strict.mask)]).toEqual([33, 32]);
  // The target is not looked at for N:M.
  const half = { criterion: "wanda", pattern: "2:4", targetSparsity: 0.25 } as const;
  const masks = (["inc", "strict"] as const).map((profile) =>
    zeros(pruneCalibrated(layer, statistics, { ...half, profile }).mask),
  );
  expect(masks).toEqual([32, 16]);
});

test.each<CalibratedOptions>([
  { criterion: "wanda", targetSparsity: 1, profile: "inc" },
  { criterion: "wanda", targetSparsity: 1 },
  { criterion: "wanda", targetSparsity: 1, variant: true },
  { criterion: "sparsegpt", targetSparsity: 1 },
  { criterion: "dsnot", targetSparsity: 1 },
])("a target of 1 prunes everything: %o", (options) => {
  const { mask, data } = pruneCalibrated(layer, statistics, options);
  expect([...mask, ...data].some((value) => value !== 0)).toBe(false);
});
