import { describe, expect, test } from "vitest";
import { planOneShot } from "../../src/checkpoint/one-shot.ts";
import { formatProblem, getOrThrow, isRight } from "../../src/core/either.ts";
import { parsePruningConfig } from "../../src/prune/parse.ts";

const problemsOf = (...given: Parameters<typeof planOneShot>): readonly string[] => {
  const planned = planOneShot(...given);
  return isRight(planned) ? [] : planned.left.map(formatProblem);
};
const configOf = (keys: Readonly<Record<string, unknown>>) => ({
  path: "file",
  read: parsePruningConfig(keys, { profile: "strict" }),
});

describe("options of one pruner", () => {
  test("become a pruner that is due at once, or after one look at gradients", () => {
    const options = { pattern: "4x1", sparsity: 0.5, layers: "query" };
    const [pruner] = getOrThrow(planOneShot(options, null, false));
    expect(pruner).toMatchObject({ opNames: [], startStep: 0, endStep: 0 });
    const [later] = getOrThrow(planOneShot({ ...options, criterion: "snip" }, null, true));
    expect(later).toMatchObject({ criterion: "snip", startStep: 1, endStep: 1 });
  });

  test("are refused with all problems at once, named by their keys", () => {
    const options = { pattern: "2by4", exclude: "(", minSparsityPerLayer: 1 };
    const problems = problemsOf({ ...options, maxSparsityPerLayer: 0.5 }, null, false);
    expect(problems.map((text) => text.split(":")[0])).toEqual([
      "`exclude`",
      "`pattern`",
      "`sparsity`",
      "`minSparsityPerLayer`",
    ]);
    expect(problemsOf({ pattern: "2:4", sparsity: 0.9 }, null, false)).toEqual([
      "`sparsity`: expected at most 0.5, all that 2:4 can prune, got 0.9",
    ]);
    const snip = { pattern: "2:4", sparsity: 0.5, criterion: "snip" } as const;
    expect(problemsOf(snip, null, false)).toEqual([
      "`gradients`: expected a checkpoint of gradients for snip, or `criterion` magnitude, got none",
    ]);
  });
});

describe("a configuration", () => {
  test("loses its schedule, and takes another criterion", () => {
    const config = configOf({ pattern: "4x1", target_sparsity: 0.5, start_step: 7, end_step: 99 });
    const [pruner] = getOrThrow(planOneShot({ criterion: "magnitude" }, config, false));
    expect(pruner).toMatchObject({ criterion: "magnitude", startStep: 0, endStep: 0 });
  });

  test("is refused beside options, with its own problems, or for what it cannot do at once", () => {
    const config = configOf({ pattern: "4x1", target_sparsity: 0.5 });
    expect(problemsOf({ pattern: "2:4", sparsity: 0.5 }, config, false)).toEqual([
      "`config`: expected to say alone what is pruned, got also `pattern`, `sparsity`",
    ]);
    expect(problemsOf({}, configOf({ pattern: "five" }), false)[0]).toContain("pattern");
    expect(
      problemsOf({}, configOf({ pattern: "4x1", pruning_type: "pattern_lock" }), false),
    ).toEqual([
      "file: pruning_configs[0]: expected a pruning_type that prunes by scores of weights, got pattern_lock",
    ]);
  });
});
