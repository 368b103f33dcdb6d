import { describe, expect, test } from "vitest";
import { headHooks } from "../../src/heads/hooks.ts";
import { type HeadPruningOptions, initialiseHeadPruning } from "../../src/heads/initialise.ts";
import type { AttentionLayer, HeadPruningState } from "../../src/heads/state.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import type { LayerRecord } from "../../src/prune/layer.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";

function attention(name: string, heads: number): AttentionLayer {
  const projections = ["query", "key", "value"].map((one) => `${name}.${one}`);
  return { name, heads, projections, output: `${name}.output` };
}

function recordsOf({ projections, output, heads }: AttentionLayer, width = 2): LayerRecord[] {
  const size = heads * width;
  const record = (name: string, shape: readonly number[]): LayerRecord => ({
    name,
    kind: "linear",
    shape,
    data: new Float32Array(size * 3).fill(1),
  });
  return [...projections.map((name) => record(name, [size, 3])), record(output, [3, size])];
}

const ATTENTIONS = [attention("a", 4), attention("b", 4)];
const LAYERS = ATTENTIONS.flatMap((one) => recordsOf(one));

function start(
  keys: object,
  options: HeadPruningOptions = { profile: "strict" },
  attentions: readonly AttentionLayer[] = ATTENTIONS,
  layers: readonly LayerRecord[] = LAYERS,
): HeadPruningState {
  const stated = { pattern: "mha", pruning_type: "magnitude", target_sparsity: 0.5, ...keys };
  const { profile = "inc" } = options;
  const [pruner] = parsePruningConfigOrThrow({ ...stated }, { profile }).pruners;
  if (pruner === undefined) throw new Error("expected a pruner");
  return initialiseHeadPruning(pruner, attentions, layers, options);
}

const INC = { profile: "inc" } as const;

describe("refused by name", () => {
  test.each<readonly [string, () => unknown, RegExp]>([
    [
      "more heads than layers may lose",
      () => start({ target_sparsity: 0.9 }),
      /^target_sparsity: expected at most 6 of 8 heads, so that each layer keeps 1 or more, got 0.9, which is 7$/,
    ],
    [
      "more heads than layers may lose with a minimum of three",
      () => start({}, { profile: "strict", minHeads: 3 }),
      /^target_sparsity: expected at most 2 of 8 heads, so that each layer keeps 3 or more, got 0.5, which is 4$/,
    ],
    [
      "more heads than one layer may lose",
      () => start({ pruning_scope: "local" }, { profile: "strict", minHeads: 3 }),
      /at most 1 of 4 heads/,
    ],
    ["a minimum under inc", () => start({}, { ...INC, minHeads: 1 }), /^minHeads: expected none/],
    [
      "another pattern",
      () => start({ pattern: "4x1" }),
      /^pattern: expected "mha" for heads, got "4x1"/,
    ],
    ["progressive pruning", () => start({ pruning_type: "snip_progressive" }), /^pruning_type/],
    ["block masks", () => start({ pruning_type: "block_mask", end_step: 2 }), /^pruning_type/],
    [
      "group lasso",
      () => start({ reg_type: "group_lasso", criterion_type: "magnitude" }, INC),
      /^reg_type/,
    ],
    [
      "the maximum under inc",
      () => start({ criterion_reduce_type: "max", end_step: 2 }, INC),
      /^criterion_re/,
    ],
    ["locked zeros", () => start({ lock_init_sparsity: true }), /^lock_init_sparsity/],
    ["gradients without a step", () => start({}, INC), /^end_step/],
    ["no layer", () => start({ op_names: ["c"] }), /^op_names/],
    ["a layer that is missing", () => start({}, undefined, undefined, LAYERS.slice(1)), /a\.query/],
    [
      "heads that do not divide a layer",
      () => start({}, undefined, [{ ...attention("a", 4), heads: 3 }]),
      /^a\.query: expected a linear layer whose outputs divide into the 3 heads of a, got linear \[8, 3\]$/,
    ],
    [
      "a layer of two",
      () => start({}, undefined, [attention("a", 4), attention("a", 4)]),
      /a\.query/,
    ],
  ])("%s", (_, run, message) => {
    expect(run).toThrow(message);
  });

  test("a room of six of eight heads holds six", () => {
    expect(() => start({ target_sparsity: 0.75 })).not.toThrow();
    expect(start({}).minHeads).toBe(1);
  });

  test("heads among patterns, whose layer records state no heads", () => {
    const config = parsePruningConfigOrThrow({ pattern: "mha", end_step: 2 });
    expect(() => initialisePruning(config, LAYERS)).toThrow(/got "mha", without attention layers/);
  });
});

test("inc takes the criterion from criterion_type alone", () => {
  const keys = { end_step: 2, criterion_type: "gradient", pruning_type: "magnitude_progressive" };
  expect(start(keys, INC).config).toMatchObject({ criterion: "gradient", method: "basic" });
});

test("strict selects attention layers by name", () => {
  expect(start({ op_names: ["b"] }).attentions.map(({ name }) => name)).toEqual(["b"]);
  expect(start({ excluded_op_names: ["b"] }).attentions.map(({ name }) => name)).toEqual(["a"]);
  const keys = { op_names: ["b"], criterion_type: "magnitude" };
  expect(start(keys, INC).attentions).toHaveLength(2);
});

test("scores that are not finite are refused, and the hooks check their order", () => {
  const layers = LAYERS.map((layer) => ({ ...layer, data: layer.data.slice() }));
  const state = start({});
  layers[0]?.data.fill(Number.NaN, 0, 1);
  expect(() => headHooks.onStepBegin(state, 0, layers)).toThrow(/^a: expected finite scores/);
  expect(() => headHooks.onStepBegin(state, 1, layers)).toThrow(/^step: expected 0/);
  const graded = start({ pruning_type: "snip", end_step: 2 });
  expect(() => headHooks.onBeforeOptimizerStep(graded, LAYERS)).toThrow(/^a\.query: expected a gr/);
});
