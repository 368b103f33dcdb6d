import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatProblem, InputError, isLeft } from "../../src/core/either.ts";
import { parsePruningConfig, parsePruningConfigOrThrow } from "../../src/prune/parse.ts";

/** What is wrong with a configuration, as lines. */
function problemsOf(input: unknown, options = {}): readonly string[] {
  const result = parsePruningConfig(input, options);
  return isLeft(result) ? result.left.map(formatProblem) : [];
}

test("INC's defaults", () => {
  expect(parsePruningConfigOrThrow({}).pruners).toEqual([
    {
      method: "basic",
      criterion: "snip_momentum",
      pattern: { kind: "block", height: 4, width: 1 },
      targetSparsity: 0.9,
      opNames: [],
      excludedOpNames: [],
      pruningOpTypes: ["Conv", "Linear"],
      startStep: 0,
      endStep: 0,
      pruningFrequency: 1,
      pruningScope: "global",
      sparsityDecay: "exp",
      minSparsityRatioPerOp: 0,
      maxSparsityRatioPerOp: 0.98,
      scoreReduction: "mean",
      lowMemoryUsage: false,
      lockInitSparsity: false,
      groupLasso: null,
    },
  ]);
});

describe("overriding", () => {
  const targets = (input: unknown): number[] =>
    parsePruningConfigOrThrow(input).pruners.map(({ targetSparsity }) => targetSparsity);

  test("a pruner's own value, then the top level's, then the default; null is no value", () => {
    const pruning_configs = [{ target_sparsity: 0.5 }, {}, { target_sparsity: null }];
    expect(targets({ target_sparsity: 0.8, pruning_configs })).toEqual([0.5, 0.8, 0.8]);
    expect(targets([{ target_sparsity: 0.5 }, {}])).toEqual([0.5, 0.9]);
    expect(targets({ target_sparsity: 0, pruning_configs: [] })).toEqual([0]);
  });

  test("parameters before everything", () => {
    const parameters = { start_step: 7, end_step: 9 };
    const [pruner] = parsePruningConfigOrThrow([{ start_step: 1, parameters }]).pruners;
    expect([pruner?.startStep, pruner?.endStep]).toEqual([7, 9]);
  });

  test("a coefficient counts only inside parameters, as in INC", () => {
    const lasso = (fields: object): number | null | undefined =>
      parsePruningConfigOrThrow([{ reg_type: "group_lasso", ...fields }]).pruners[0]?.groupLasso;
    expect(lasso({ reg_coeff: 0.1 })).toBe(0);
    expect(lasso({ parameters: { reg_coeff: 0.1 } })).toBe(0.1);
    expect(lasso({ parameters: { reg_coeff: "0.5" } })).toBe(0.5);
  });

  test("lock_init_sparsity is not handed down, as in INC", () => {
    const locks = (input: unknown): boolean | undefined =>
      parsePruningConfigOrThrow(input).pruners[0]?.lockInitSparsity;
    expect(locks({ lock_init_sparsity: true })).toBe(false);
    expect(locks({ lock_init_sparsity: true, pruning_configs: [] })).toBe(true);
    expect(locks([{ lock_init_sparsity: true }])).toBe(true);
  });
});

test("N:M caps the per-op maximum", () => {
  const [pruner] = parsePruningConfigOrThrow({ pattern: "2:4", target_sparsity: 0.5 }).pruners;
  expect(pruner?.maxSparsityRatioPerOp).toBe(0.5);
});

test("all problems at once, each at its path", () => {
  expect(
    problemsOf({
      target_sparsity: 1.5,
      start_steps: 3,
      pruning_configs: [{ pattern: "4:2" }, { op_names: ["("], parameters: { end_stop: 1 } }],
    }),
  ).toEqual([
    "start_steps: expected a known key; the nearest is start_step, got an unknown one",
    "target_sparsity: expected a number from 0 to below 1, got 1.5",
    'pruning_configs[0].pattern: expected a pattern such as "4x1", "1xchannel", "channelx1" or "2:4", got "4:2"',
    "pruning_configs[1].parameters.end_stop: expected a known key; the nearest is end_step, got an unknown one",
    "pruning_configs[1].op_names: expected a list of regular expressions, got an array of 1 (Invalid regular expression: /(/: Unterminated group)",
  ]);
});

test("the throwing twin carries them all", () => {
  const wrong = { start_step: -1, end_step: "x" };
  try {
    parsePruningConfigOrThrow(wrong);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).problems.map(({ path }) => path)).toEqual([
      "start_step",
      "end_step",
    ]);
  }
});

test.each([
  [{ start_step: 5, end_step: 4 }, /end_step: expected at least start_step \(5\), got 4/],
  [{ pattern: "2:4", target_sparsity: 0.6 }, /target_sparsity: expected at most 0.5, all that 2:4/],
  [
    { min_sparsity_ratio_per_op: 0.6, max_sparsity_ratio_per_op: 0.5 },
    /min_sparsity_ratio_per_op: .*0.5/,
  ],
  [{ pattern: "channelxchannel" }, /pattern: expected/],
  [{ pattern: "0x1" }, /pattern: expected/],
  [{ pattern: 4 }, /pattern: expected/],
  [{ pruning_frequency: 0 }, /pruning_frequency: expected an integer of at least 1/],
  [{ pruning_frequency: 1.5 }, /pruning_frequency/],
  [{ pruning_scope: "layer" }, /"global", "local"/],
  [{ pruning_type: "snip_momentun" }, /pruning_type: expected one of/],
  [{ criterion_reduce_type: "min" }, /criterion_reduce_type/],
  [{ reg_type: "l1" }, /reg_type: expected one of "group_lasso"/],
  [{ low_memory_usage: "yes" }, /low_memory_usage: expected true or false/],
  [{ op_names: "query" }, /op_names: expected a list of strings/],
  [{ pruning_configs: { pattern: "4x1" } }, /pruning_configs: expected a list of objects/],
  [{ pruning_configs: null }, /pruning_configs: expected a list of objects/],
  [{ parameters: 3 }, /parameters: expected an object/],
  [{ parameters: { target_sparsity: null } }, /parameters.target_sparsity: expected a number/],
  [{ parameters: { pattern: null } }, /parameters.pattern: expected a pattern such as/],
  ["4x1", /config: expected an object/],
  [null, /config: expected an object/],
])("%j is refused", (input, message) => {
  expect(problemsOf(input).join("\n")).toMatch(message);
});

test("unknown keys can be passed over, as INC does", () => {
  expect(problemsOf({ false_key: 1 })).toHaveLength(1);
  expect(problemsOf({ false_key: 1 }, { unknownKeys: "ignore" })).toEqual([]);
});

test("never throws, whatever it is given", () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true }), (input) => {
      expect(["Left", "Right"]).toContain(parsePruningConfig(input)._tag);
    }),
  );
});

test("the result is frozen and shares nothing with the input", () => {
  const opNames = ["query"];
  const config = parsePruningConfigOrThrow({ op_names: opNames });
  opNames.push("key");
  expect(config.pruners[0]?.opNames).toEqual(["query"]);
  expect(Object.isFrozen(config.pruners[0]?.opNames)).toBe(true);
});
