import { describe, expect, test } from "vitest";
import { PROBLEM_TYPES } from "../../../src/core/problem-type.ts";
import { classificationMetrics } from "../../../src/train/metrics/classification.ts";
import { metricsOf, namedMetrics, rangeOf } from "../../../src/train/metrics/named-metrics.ts";

describe.each(PROBLEM_TYPES)("%s", (problemType) => {
  test.each([2, 3])("has the metrics of %i outputs, all with a value", (outputs) => {
    const isMulti = problemType === "multi_label_classification";
    const labels = isMulti ? Array.from({ length: 4 * outputs }, (_, i) => i % 2) : [0, 1, 1, 0];
    const predictions = labels.map((label, i) => (i === 0 ? 1 - label : label));
    const { values, perClass, confusion } = namedMetrics(problemType, outputs, labels, predictions);
    expect([...values.keys()]).toEqual(metricsOf(problemType, outputs));
    for (const [name, value] of values) {
      const [least, most] = rangeOf(name) ?? [0, Infinity];
      expect(value).toBeGreaterThan(least);
      expect(value).toBeLessThan(most);
    }
    expect(perClass.length > 0).toBe(problemType !== "regression");
    expect(confusion === null).toBe(problemType !== "single_label_classification");
  });
});

test("f1 is the F1 of class 1 of two classes", () => {
  const [labels, predictions] = [
    [0, 1, 1, 1],
    [0, 0, 1, 1],
  ];
  const { binaryF1, matthews } = classificationMetrics(labels, predictions);
  const { values } = namedMetrics("single_label_classification", 2, labels, predictions);
  expect(values.get("f1")).toBe(binaryF1);
  expect(values.get("matthews")).toBe(matthews);
  expect(metricsOf("single_label_classification", 3)).not.toContain("f1");
});
