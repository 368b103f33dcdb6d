import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import type { LayerSource } from "../../src/prune/layer-scores.ts";
import { layerMask, planLayerwise } from "../../src/prune/layerwise.ts";
import { oneShotConfig, type PruneOnceOptions, pruneOnce } from "../../src/prune/once.ts";
import { exactValues, models, mostOf, patterns } from "./models.ts";

/** Layers that count how often they are read. */
function sourcesOf(layers: readonly LayerRecord[]) {
  const reads = new Map<string, number>();
  const sources: readonly LayerSource[] = layers.map(({ name, kind, shape, data, gradient }) => ({
    ...{ name, kind, shape },
    read: () => {
      reads.set(name, (reads.get(name) ?? 0) + 1);
      return { data, gradient: gradient ?? null };
    },
  }));
  return { sources, reads };
}

function masksOf(layers: readonly LayerRecord[], options: PruneOnceOptions) {
  const { sources } = sourcesOf(layers);
  const plan = planLayerwise(oneShotConfig(options), sources);
  const made = sources.flatMap((source) => {
    const one = layerMask(plan, source);
    return one === null ? [] : [[source.name, one] as const];
  });
  return {
    masks: new Map(made.map(([name, { mask }]) => [name, mask])),
    prunedBlocks: made.reduce((sum, [, one]) => sum + one.prunedBlocks, 0),
    plan,
  };
}

const choices = fc.record({
  scope: fc.constantFrom("global" as const, "local" as const),
  criterion: fc.constantFrom("magnitude" as const, "snip" as const, "snip_momentum" as const),
  scoreReduction: fc.constantFrom("sum" as const, "mean" as const, "max" as const),
});
const share = fc.double({ min: 0, max: 1, noNaN: true });

function outcome<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof PruningError) return error.message;
    throw error;
  }
}

test("masks are those of pruning at once, bit for bit, within any bounds", () => {
  fc.assert(
    fc.property(
      models(exactValues),
      patterns,
      choices,
      share,
      share,
      share,
      (layers, pattern, chosen, target, least, most) => {
        const all = mostOf(pattern);
        const maxSparsityRatioPerOp = all * Math.max(most, least);
        const options: PruneOnceOptions = {
          ...chosen,
          pattern,
          targetSparsity: target * all * 0.999,
          minSparsityRatioPerOp: all * Math.min(most, least),
          maxSparsityRatioPerOp,
        };
        const atOnce = outcome(() => pruneOnce(layers, { ...options, excludeHead: false }));
        const layerwise = outcome(() => masksOf(layers, options));
        if (typeof atOnce === "string" || typeof layerwise === "string") {
          expect(layerwise).toBe(atOnce);
          return;
        }
        expect(layerwise.masks).toEqual(atOnce.masks);
        expect(layerwise.plan.skipped).toEqual(atOnce.skipped);
        expect(layerwise.prunedBlocks).toBe(layerwise.plan.budget);
      },
    ),
    { numRuns: 400 },
  );
});

describe("how often layers are read", () => {
  const layers = [4, 8].map((rows) => ({
    name: `fc${rows}`,
    kind: "linear" as const,
    shape: [rows, 4],
    data: Float32Array.from({ length: rows * 4 }, (_, i) => i + 1 + rows * 100),
  }));
  const reads = (options: Partial<PruneOnceOptions>): readonly number[] => {
    const { sources, reads: counted } = sourcesOf(layers);
    const config = oneShotConfig({ pattern: "4x1", targetSparsity: 0.5, ...options });
    planLayerwise(config, sources);
    return sources.map(({ name }) => counted.get(name) ?? 0);
  };
  test("twice for a shared budget, four times within bounds that decide", () => {
    expect(reads({})).toEqual([2, 2]);
    expect(reads({ maxSparsityRatioPerOp: 0.5 })).toEqual([4, 4]);
  });
  test("never where each has its own, or all or nothing goes", () => {
    expect(reads({ scope: "local" })).toEqual([0, 0]);
    expect(reads({ pattern: "2:4" })).toEqual([0, 0]);
    expect(reads({ targetSparsity: 0 })).toEqual([0, 0]);
  });
});

test("scores that are not finite are refused by layer", () => {
  const source: LayerSource = {
    name: "fc",
    kind: "linear",
    shape: [4, 4],
    read: () => ({ data: new Float32Array(16).fill(Number.NaN) }),
  };
  const config = oneShotConfig({ pattern: "4x1", targetSparsity: 0.5 });
  expect(() => planLayerwise(config, [source])).toThrow(
    /^fc: expected finite scores, got NaN at position 0$/,
  );
  const local = planLayerwise({ ...config, pruningScope: "local" }, [source]);
  expect(() => layerMask(local, source)).toThrow(/^fc: expected finite scores/);
});
