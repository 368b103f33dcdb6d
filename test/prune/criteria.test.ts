import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parsePruningConfigOrThrow, pruneOnce } from "../../src/index.ts";
import {
  accumulatesElements,
  CRITERIA,
  CRITERION_NAMES,
  ELEMENT_CRITERION_NAMES,
  type ElementCriterion,
  needsGradient,
  rearrangesMasks,
  scoresBlockMasks,
} from "../../src/prune/criteria.ts";
import { plainKernels } from "../../src/prune/plain-kernels.ts";
import { anyValues } from "./models.ts";

/** Scores of one step. */
function scored(
  name: ElementCriterion,
  weight: readonly number[],
  gradient: readonly number[],
): number[] {
  return weight.map((value, i) => Math.fround(CRITERIA[name].score(value, gradient[i] as number)));
}

describe("scores by hand", () => {
  const weight = [2, -3, 0, 0.5];
  const gradient = [-1, -2, 4, 0];

  test.each([
    ["magnitude", [2, 3, 0, 0.5]],
    ["gradient", [1, 2, 4, 0]],
    ["snip", [2, 6, 0, 0]],
    ["snip_momentum", [2, 6, 0, 0]],
  ] as const)("%s", (name, expected) => {
    expect(scored(name, weight, gradient)).toEqual(expected);
  });

  test.each([
    ["block_mask", -3, 3],
    ["retrain_free", -3, 9],
  ] as const)("%s of a mask entry", (name, gradientOfMask, expected) => {
    expect(CRITERIA[name].score(gradientOfMask)).toBe(expected);
  });
});

test("the loop that a criterion names computes its scores", () => {
  const named = ELEMENT_CRITERION_NAMES.filter((name) => CRITERIA[name].loop !== null);
  fc.assert(
    fc.property(fc.constantFrom(...named), anyValues(8), anyValues(8), (name, weight, gradient) => {
      const { loop } = CRITERIA[name];
      const got = new Float32Array(8);
      plainKernels.updateScoresInto(
        loop === "gradient" ? gradient : weight,
        loop === "product" ? gradient : null,
        1,
        8,
        1,
        0,
        got,
      );
      expect([...got]).toEqual(scored(name, [...weight], [...gradient]));
    }),
  );
});

test("questions about a criterion", () => {
  const having = (holds: (name: (typeof CRITERION_NAMES)[number]) => boolean) =>
    CRITERION_NAMES.filter(holds).join();
  expect(having((name) => !needsGradient(name))).toBe("magnitude");
  expect(having(scoresBlockMasks)).toBe("block_mask,retrain_free");
  expect(having(rearrangesMasks)).toBe("retrain_free");
  expect(having(accumulatesElements)).toBe("snip_momentum");
});

test("every name is a pruning_type, and every criterion of elements one of pruneOnce", () => {
  for (const name of CRITERION_NAMES) {
    const [pruner] = parsePruningConfigOrThrow({ pruning_type: name, end_step: 1 }).pruners;
    expect(pruner).toMatchObject({ method: "basic", criterion: name });
  }
  const data = Float32Array.of(1, 2, 3, 4);
  const layer = { name: "fc", kind: "linear", shape: [1, 4], data, gradient: data } as const;
  for (const criterion of ELEMENT_CRITERION_NAMES) {
    const options = { pattern: "1x1", targetSparsity: 0.5, criterion, excludeHead: false } as const;
    expect(pruneOnce([layer], options).statistics.prunedLayers.zeros).toBe(2);
  }
});
