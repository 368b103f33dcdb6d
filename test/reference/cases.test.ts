/** Runs that once came out differently, and corners that random runs reach seldom. */
import { describe, expect, test } from "vitest";
import type { PatternPrunerConfig } from "../../src/prune/config.ts";
import { startedTrajectory } from "../../src/reference/trajectory.ts";
import { type Comparison, comparisons } from "./agreement.ts";
import { dataOf, type Run } from "./runs.ts";

const PRUNER: PatternPrunerConfig = {
  method: "basic",
  criterion: "magnitude",
  pattern: { kind: "block", height: 1, width: 1 },
  targetSparsity: 0.75,
  opNames: [],
  excludedOpNames: [],
  pruningOpTypes: ["Conv", "Linear"],
  startStep: 0,
  endStep: 4,
  pruningFrequency: 1,
  pruningScope: "global",
  sparsityDecay: "exp",
  minSparsityRatioPerOp: 0,
  maxSparsityRatioPerOp: 0.98,
  scoreReduction: "mean",
  lowMemoryUsage: false,
  lockInitSparsity: false,
  groupLasso: null,
};

const CONVOLUTION = { name: "conv", kind: "conv1d", shape: [4, 4, 3] } as const;
const LINEAR = { name: "fc", kind: "linear", shape: [8, 8] } as const;
const ODD = { name: "odd", kind: "linear", shape: [3, 4] } as const;

function runWith(
  modules: Run["modules"],
  fields: Partial<PatternPrunerConfig>,
  rest: Partial<Run> = {},
): Run {
  const config = { pruners: [{ ...PRUNER, ...fields }] };
  const defaults = { excludeHead: false, indivisible: "skip", steps: 8, seed: 7 } as const;
  return { modules, config, ...defaults, levels: 24, zeros: 0, ...rest };
}

const block = (height: number | "channel", width: number | "channel") =>
  ({ kind: "block", height, width }) as const;

const CASES: Readonly<Record<string, Run>> = {
  "group lasso beside a layer that the pattern does not divide": runWith([LINEAR, ODD], {
    pattern: block(4, 1),
    pruningScope: "local",
    groupLasso: 0.0625,
  }),
  "group lasso with block masks, which a convolution has none of": runWith([LINEAR, CONVOLUTION], {
    criterion: "block_mask",
    pattern: block(4, 1),
    groupLasso: 0.0625,
  }),
  "group lasso of a pattern lock, which has none": runWith(
    [LINEAR, ODD],
    { method: "pattern_lock", endStep: 0, pattern: block(4, 1), groupLasso: 0.0625 },
    { zeros: 6 },
  ),
  "group lasso of a frozen convolution": runWith([CONVOLUTION, LINEAR], {
    groupLasso: 0.0625,
    maxSparsityRatioPerOp: 0.3,
  }),
  "group lasso of a frozen layer of whole columns": runWith([{ ...LINEAR, shape: [4, 8] }], {
    pattern: block("channel", 1),
    groupLasso: 0.0625,
    maxSparsityRatioPerOp: 0.3,
  }),
  "a convolution that is frozen again and again": runWith(
    [{ name: "conv", kind: "conv2d", shape: [4, 8, 2, 2] }, LINEAR],
    { pattern: block(1, 4), maxSparsityRatioPerOp: 0.5, targetSparsity: 0.5 },
    { levels: 2 },
  ),
  "a first prune step without scores, of a layer that is not divided": runWith([LINEAR, ODD], {
    criterion: "snip",
    pattern: block(4, 1),
    endStep: 3,
    pruningFrequency: 5,
  }),
  "small blocks of a layer that is not divided": runWith(
    [LINEAR, { name: "thin", kind: "linear", shape: [3, 1] }],
    { method: "progressive", pattern: block(2, "channel"), endStep: 8, pruningFrequency: 4 },
  ),
  "a head whose name is no expression": runWith(
    [LINEAR, { ...LINEAR, name: "head(" }],
    {},
    {
      excludeHead: true,
    },
  ),
  "all blocks tie": runWith([LINEAR, CONVOLUTION], { pattern: block(4, 1) }, { levels: 0 }),
  "a budget that does not suffice for every layer's fewest": runWith(
    ["a", "b", "c", "d"].map((name) => ({ ...LINEAR, name })),
    {
      targetSparsity: 0.9,
      minSparsityRatioPerOp: 0.9,
      lockInitSparsity: true,
      endStep: 7,
      sparsityDecay: "linear",
    },
    { zeros: 6 },
  ),
  "just below everything": runWith([LINEAR, CONVOLUTION], {
    targetSparsity: 1 - 2 ** -30,
    maxSparsityRatioPerOp: 1,
  }),
  "nothing at all": runWith([LINEAR, CONVOLUTION], { targetSparsity: 0 }),
  "eight of sixteen, four parts": runWith(
    [{ name: "fc", kind: "linear", shape: [4, 32] }],
    {
      method: "progressive",
      criterion: "snip_momentum",
      pattern: { kind: "group", prune: 8, of: 16 },
      targetSparsity: 0.5,
      maxSparsityRatioPerOp: 0.5,
      endStep: 8,
      pruningFrequency: 4,
    },
    { steps: 12 },
  ),
};

describe.each(["inc", "strict"] as const)("%s", (profile) => {
  test.each(Object.keys(CASES))("%s", (name) => {
    for (const { at, expected, got } of comparisons(CASES[name] as Run, profile))
      expect({ at, value: got }).toEqual({ at, value: expected });
  });
});

/** The last of a run's comparisons. */
function lastOf(name: string, profile: "inc" | "strict"): Comparison {
  return [...comparisons(CASES[name] as Run, profile)].at(-1) as Comparison;
}

test("what INC carries out is carried out, and what it breaks on is refused", () => {
  const outcome = (name: string): unknown => lastOf(`group lasso ${name}`, "inc").got;
  expect(JSON.stringify(outcome("beside a layer that the pattern does not divide"))).not.toMatch(
    /NaN/,
  );
  expect(outcome("of a frozen convolution")).toBe("unsupported-combination");
  expect(outcome("of a frozen layer of whole columns")).toBeTypeOf("object");
  const first = "a first prune step without scores, of a layer that is not divided";
  expect(lastOf(first, "inc").got).toBeTypeOf("object");
  expect(lastOf("small blocks of a layer that is not divided", "strict").got).toBeTypeOf("object");
  expect(lastOf("a head whose name is no expression", "inc").got).toBe("unsupported-combination");
});

test("the reference leaves the layers it is given alone", () => {
  const { layers } = dataOf(CASES["all blocks tie"] as Run);
  const before = layers.map(({ data }) => data.join());
  startedTrajectory({ pruners: [PRUNER] }, layers, { excludeHead: false });
  expect(layers.map(({ data }) => data.join())).toEqual(before);
});
