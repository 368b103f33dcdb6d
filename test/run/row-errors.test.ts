import { expect, test } from "vitest";
import { largestErrors, predictionText } from "../../src/run/row-errors.ts";

const SINGLE = { problemType: "single_label_classification", names: ["bad", "good"] } as const;

test("wrong classes are sorted by the probability of the label", () => {
  const logits = Float32Array.of(1, 0, 4, 0, 0, 9, 0, 2);
  const labels = Float64Array.of(1, 1, 1, 0);
  expect(largestErrors(SINGLE, logits, labels, 5)).toEqual([
    { row: 1, label: "good", predicted: "bad", degree: "98 %, the label 2 %" },
    { row: 3, label: "bad", predicted: "good", degree: "88 %, the label 12 %" },
    { row: 0, label: "good", predicted: "bad", degree: "73 %, the label 27 %" },
  ]);
  expect(largestErrors(SINGLE, logits, labels, 1)).toHaveLength(1);
  expect(predictionText(SINGLE, logits, 2)).toBe("good");
});

test("several labels a row are wrong if one is", () => {
  const meaning = { problemType: "multi_label_classification", names: ["a", "b"] } as const;
  const logits = Float32Array.of(5, 5, -5, -5, 5, -5);
  const labels = Float64Array.of(1, 1, 1, 0, 1, 1);
  const found = largestErrors(meaning, logits, labels, 5);
  expect(found.map(({ row, label, predicted }) => [row, label, predicted])).toEqual([
    [1, "a", "none"],
    [2, "a, b", "a"],
  ]);
});

test("values are sorted by their distance", () => {
  const meaning = { problemType: "regression", names: ["value"] } as const;
  const found = largestErrors(meaning, Float32Array.of(1, 2, 4), Float64Array.of(1, 2.5, 2), 2);
  expect(found).toEqual([
    { row: 2, label: "2", predicted: "4", degree: "off by 2" },
    { row: 1, label: "2.5", predicted: "2", degree: "off by 0.5" },
  ]);
});
