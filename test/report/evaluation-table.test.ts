import { expect, test } from "vitest";
import { formatEvaluation } from "../../src/report/evaluation-table.ts";
import { namedMetrics } from "../../src/train/metrics/named-metrics.ts";

test("two classes have a matrix with their names", () => {
  const metrics = namedMetrics("single_label_classification", 2, [0, 1, 1, 0], [0, 1, 0, 0]);
  const text = formatEvaluation(metrics, ["bare", "green"]);
  expect(text).toMatch(/^accuracy +0\.7500$/m);
  expect(text).toMatch(/^green +1\.0000 +0\.5000 +0\.6667 +2$/m);
  const matrix = text.slice(text.indexOf("rows by label"));
  expect(matrix).toMatch(/^label +bare +green$/m);
  expect(matrix).toMatch(/^bare +2 +0$/m);
  expect(matrix).toMatch(/^green +1 +1$/m);
});

test("of many classes, the most frequent errors are listed", () => {
  const labels = Array.from({ length: 90 }, (_, i) => i % 30);
  const predictions = labels.map((label, i) =>
    label === 3 ? 4 : label === 9 && i > 30 ? 8 : label,
  );
  const metrics = namedMetrics("single_label_classification", 30, labels, predictions);
  const text = formatEvaluation(
    metrics,
    labels.map((label) => `name ${label}`),
  );
  const errors = text.slice(text.indexOf("the most frequent errors"));
  expect(errors.trimEnd().split("\n").slice(3)).toEqual([
    expect.stringMatching(/^name 3 +name 4 +3$/),
    expect.stringMatching(/^name 9 +name 8 +2$/),
  ]);
});

test("regression has metrics only, and a correlation that is not defined has none", () => {
  const metrics = namedMetrics("regression", 1, [1, 2], [3, 3]);
  const text = formatEvaluation(metrics, ["LABEL_0"]);
  expect(text).toMatch(/^Pearson correlation +-$/m);
  expect(text).toMatch(/^mean squared error +2\.5000$/m);
  expect(text).not.toContain("label");
});
