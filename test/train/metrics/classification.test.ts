import fc from "fast-check";
import { expect, test } from "vitest";
import { classificationMetrics } from "../../../src/train/metrics/classification.ts";
import { naiveF1, naiveMatthews } from "./naive-metrics.ts";

const pairs = fc
  .array(fc.tuple(fc.nat(3), fc.nat(3)), { minLength: 1, maxLength: 30 })
  .map((rows) => ({ labels: rows.map(([a]) => a), predictions: rows.map(([, b]) => b) }));

test("metrics equal their definitions", () => {
  fc.assert(
    fc.property(pairs, ({ labels, predictions }) => {
      const metrics = classificationMetrics(labels, predictions);
      const right = labels.filter((label, row) => label === predictions[row]).length;
      expect(metrics.accuracy).toBe(right / labels.length);
      const ofClass = metrics.perClass.map(({ id }) =>
        naiveF1(
          labels.map((label) => label === id),
          predictions.map((label) => label === id),
        ),
      );
      for (const [index, { f1 }] of metrics.perClass.entries())
        expect(f1).toBeCloseTo(ofClass[index] as number, 12);
      const mean = ofClass.reduce((a, b) => a + b, 0) / ofClass.length;
      expect(metrics.macroF1).toBeCloseTo(mean, 12);
      expect(metrics.matthews).toBeCloseTo(naiveMatthews(labels, predictions), 12);
    }),
  );
});

test("the confusion matrix counts every row once, and its sums are supports", () => {
  fc.assert(
    fc.property(pairs, ({ labels, predictions }) => {
      const { confusion, perClass } = classificationMetrics(labels, predictions);
      expect(confusion.flat().reduce((a, b) => a + b, 0)).toBe(labels.length);
      for (const [index, { support, recall }] of perClass.entries()) {
        const counts = confusion[index] ?? [];
        expect(counts.reduce((a, b) => a + b, 0)).toBe(support);
        expect(recall).toBe(support === 0 ? 0 : (counts[index] ?? 0) / support);
      }
    }),
  );
});

test("metrics do not depend on the order of rows", () => {
  fc.assert(
    fc.property(pairs, ({ labels, predictions }) => {
      const forwards = classificationMetrics(labels, predictions);
      expect(classificationMetrics(labels.toReversed(), predictions.toReversed())).toEqual(
        forwards,
      );
    }),
  );
});

test("precision, recall and support by hand", () => {
  const { perClass, binaryF1 } = classificationMetrics([0, 0, 1, 5], [0, 1, 1, 1]);
  expect(binaryF1).toBeNull();
  expect(perClass).toEqual([
    { id: 0, precision: 1, recall: 0.5, f1: 2 / 3, support: 2 },
    { id: 1, precision: 1 / 3, recall: 1, f1: 0.5, support: 1 },
    { id: 5, precision: 0, recall: 0, f1: 0, support: 1 },
  ]);
});

test("no rows and other lengths are refused", () => {
  expect(() => classificationMetrics([], [])).toThrow("labels: expected at least one row");
  expect(() => classificationMetrics([1], [])).toThrow("predictions: expected 1 elements, got 0");
});
