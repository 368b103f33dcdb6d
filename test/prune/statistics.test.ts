import { expect, test } from "vitest";
import { onStepBegin } from "../../src/prune/hooks.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import type { LayerRecord } from "../../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import { sparsityStatistics } from "../../src/prune/statistics.ts";

function matrix(name: string, rows: number, columns: number): LayerRecord {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => i + 1);
  return { name, kind: "linear", shape: [rows, columns], data };
}

test("INC's figures and honest ones, each with its denominator", () => {
  const layers = [
    matrix("a", 4, 4),
    matrix("odd", 4, 3),
    { ...matrix("words", 5, 2), kind: "embedding" as const },
    matrix("head", 2, 4),
  ];
  const config = parsePruningConfigOrThrow({
    pattern: "1x4",
    target_sparsity: 0.5,
    pruning_type: "magnitude",
    pruning_scope: "local",
  });
  const { state, weights } = onStepBegin(initialisePruning(config, layers), 0, layers);
  const after = layers.map((layer) => ({ ...layer, data: weights.get(layer.name) ?? layer.data }));
  const statistics = sparsityStatistics(state, after, 100);
  expect(statistics.pruners).toEqual([
    { pattern: "1x4", layers: 2, blocks: { zeros: 2, total: 4, ratio: 0.5 } },
  ]);
  expect(statistics.prunedLayers).toEqual({ zeros: 8, total: 28, ratio: 8 / 28 });
  expect(statistics.linearConv).toEqual({ zeros: 8, total: 36, ratio: 8 / 36 });
  expect(statistics.allWeights).toEqual({ zeros: 8, total: 46, ratio: 8 / 46 });
  // INC takes the pruner's whole size, odd layer included, times its share of pruned blocks.
  expect(statistics.inc).toEqual({
    elementwiseOverLinearConv: 8 / 36,
    elementwiseOverAll: 0.08,
    blockwiseOverLinearConv: 14 / 36,
  });
});

test("nothing to count is 0, not NaN", () => {
  const layers = [matrix("head", 2, 4)];
  const config = parsePruningConfigOrThrow({ pruning_type: "magnitude" });
  const state = initialisePruning(config, layers, { allowNothing: true });
  const { pruners, inc } = sparsityStatistics(state, layers, 0);
  expect(pruners[0]?.blocks.ratio).toBe(0);
  expect(inc.elementwiseOverAll).toBe(0);
});
