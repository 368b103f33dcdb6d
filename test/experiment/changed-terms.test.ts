import { expect, test } from "vitest";
import { changedTerms } from "../../src/experiment/changed-terms.ts";
import { type ExperimentTerms, planPhases } from "../../src/experiment/plan.ts";
import { findRecipe, patternSuffix, type Recipe } from "../../src/experiment/recipes.ts";

/** The terms of a run of the recipe with one sparse phase for each pattern. */
function termsOf(patterns: readonly string[], change: Partial<Recipe> = {}): ExperimentTerms {
  const base = { ...findRecipe("demo-4x1"), ...change };
  const recipes = patterns.map((pattern): Recipe => {
    const suffix = patterns.length > 1 ? patternSuffix(pattern) : "";
    return {
      ...{ ...base, name: `${base.name}${suffix}` },
      sparse: base.sparse && { ...base.sparse, pattern },
    };
  });
  const plan = { recipes, trainingRows: Array.from({ length: 20 }), profile: "inc" } as const;
  const phases = planPhases({ ...plan, sparseProducts: "auto" } as never, 1);
  return { phases, model: {}, trainingRows: "", evaluationRows: "", teacher: null } as never;
}

test("patterns that are added, removed or moved are the only difference", () => {
  const lists = [["4x1"], ["2:4"], ["4x1", "2:4"], ["2:4", "4x1"], ["2:4", "1xchannel", "4x1"]];
  for (const own of lists)
    for (const stored of lists.filter((list) => list !== own))
      expect(changedTerms("run", termsOf(own), termsOf(stored))).toEqual([
        {
          path: "run.patterns",
          expected: JSON.stringify(own.join()),
          got: `${JSON.stringify(stored.join())} in the snapshot`,
        },
      ]);
});

test("other settings are compared by pattern", () => {
  const other = termsOf(["2:4", "4x1"], { evaluationBatchSize: 7, name: "other" });
  const paths = changedTerms("run", termsOf(["4x1"]), other).map(({ path }) => path);
  expect(paths).toEqual([
    "run.patterns",
    ...[0, 1].flatMap((i) => [
      `run.phases[${i}].evaluationBatchSize`,
      `run.phases[${i}].id.recipe`,
    ]),
  ]);
});

test("equal patterns are compared as they are", () => {
  expect(changedTerms("run", termsOf(["4x1"]), termsOf(["4x1"]))).toEqual([]);
  const other = termsOf(["4x1"], { name: "other" });
  expect(changedTerms("run", termsOf(["4x1"]), other).map(({ path }) => path)).toEqual([
    "run.phases[0].id.recipe",
    "run.phases[1].id.recipe",
  ]);
});
