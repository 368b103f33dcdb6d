import fc from "fast-check";
import { expect, test } from "vitest";
import {
  labelsAbove,
  metricsByLabel,
  multiLabelMetrics,
} from "../../../src/train/metrics/multi-label.ts";
import { naiveF1 } from "./naive-metrics.ts";

const WIDTH = 3;
const bits = fc.array(fc.nat(1), { minLength: WIDTH, maxLength: WIDTH });
const rows = fc.array(fc.tuple(bits, bits), { minLength: 1, maxLength: 12 });

test("metrics equal their definitions", () => {
  fc.assert(
    fc.property(rows, (pairs) => {
      const labels = pairs.flatMap(([a]) => a);
      const predictions = pairs.flatMap(([, b]) => b);
      const metrics = multiLabelMetrics(labels, predictions, WIDTH);
      const f1 = (a: readonly number[], b: readonly number[]) =>
        naiveF1(
          a.map((bit) => bit === 1),
          b.map((bit) => bit === 1),
        );
      const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
      const column = (values: readonly number[], id: number) =>
        values.filter((_, index) => index % WIDTH === id);
      const ofLabel = [0, 1, 2].map((id) => f1(column(labels, id), column(predictions, id)));
      expect(metrics.macroF1).toBeCloseTo(mean(ofLabel), 12);
      expect(metrics.microF1).toBeCloseTo(f1(labels, predictions), 12);
      expect(metrics.samplesF1).toBeCloseTo(mean(pairs.map(([a, b]) => f1(a, b))), 12);
      const exact = pairs.filter(([a, b]) => a.join() === b.join()).length;
      expect(metrics.accuracy).toBe(exact / pairs.length);
    }),
  );
});

test("the metrics of a single label are those of having it", () => {
  const metrics = multiLabelMetrics([1, 1, 0, 0], [1, 0, 0, 0], 1);
  expect(metricsByLabel(metrics, 1)).toEqual([
    { id: 0, precision: 1, recall: 0.5, f1: 2 / 3, support: 2 },
  ]);
  const none = multiLabelMetrics([0, 0], [0, 0], 1);
  expect(metricsByLabel(none, 1)).toEqual([{ id: 0, precision: 0, recall: 0, f1: 0, support: 0 }]);
});

test("labels are those with a probability above the threshold", () => {
  expect([...labelsAbove([-1, 0, 1e-9, 3])]).toEqual([0, 0, 1, 1]);
  expect([...labelsAbove([1, 1.2], 0.75)]).toEqual([0, 1]);
  expect([...labelsAbove([-800, 800], 0)]).toEqual([1, 1]);
  expect([...labelsAbove([-800, 800], 1)]).toEqual([0, 0]);
  expect(() => labelsAbove([0], 2)).toThrow("threshold: expected");
});

test("shapes that do not fit are refused", () => {
  expect(() => multiLabelMetrics([1, 0, 1], [1, 0, 1], 2)).toThrow("labels.length / width");
  expect(() => multiLabelMetrics([1, 0], [1], 2)).toThrow("predictions: expected 2 elements");
});
