import fc from "fast-check";
import { expect, test } from "vitest";
import { editDistance, nearestName } from "../../src/core/nearest.ts";

test("the edit distance is a metric with known values", () => {
  expect(editDistance("kitten", "sitting")).toBe(3);
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (a, b, c) => {
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
    }),
  );
});

test("the nearest name is a slip or a part of a name, or there is none", () => {
  const known = ["pattern", "target_sparsity", "end_step"];
  expect(nearestName("patern", known)).toBe("pattern");
  expect(nearestName("target", known)).toBe("target_sparsity");
  expect(nearestName("learning_rate", known)).toBeUndefined();
  expect(nearestName("sparsity", known)).toBe("target_sparsity");
  expect(nearestName("abortSignal", ["settings", "signal"])).toBe("signal");
  expect(nearestName("learningRate", ["schedule", "optimizer.learningRate"])).toBe(
    "optimizer.learningRate",
  );
  expect(nearestName("step", ["an"])).toBeUndefined();
  expect(nearestName("", known)).toBeUndefined();
  expect(nearestName("finetne", ["conform", "finetune", "demo"])).toBe("finetune");
  expect(nearestName("xyzzy", ["conform", "finetune"])).toBeUndefined();
});
