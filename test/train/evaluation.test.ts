import fc from "fast-check";
import { expect, test } from "vitest";
import { scorePredictions } from "../../src/train/evaluation.ts";

test("accuracy and F1 equal the counts of a confusion table", () => {
  const rows = fc.array(fc.tuple(fc.nat(1), fc.nat(1)), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(rows, (pairs) => {
      const logits = Float32Array.from(pairs.flatMap(([answer]) => (answer ? [-1, 1] : [1, -1])));
      const labels = pairs.map(([, label]) => label);
      const count = (answer: number, label: number) =>
        pairs.filter(([a, l]) => a === answer && l === label).length;
      const score = scorePredictions({ logits, labels, classes: 2, loss: 0.5 });
      expect(score.accuracy).toBe((count(1, 1) + count(0, 0)) / pairs.length);
      const precision = count(1, 1) / Math.max(1, count(1, 1) + count(1, 0));
      const recall = count(1, 1) / Math.max(1, count(1, 1) + count(0, 1));
      const f1 = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
      expect(score.f1).toBeCloseTo(f1, 12);
      expect(score.majority).toBeGreaterThanOrEqual(0.5);
      expect(score.examples).toBe(pairs.length);
    }),
  );
});

test("more than two classes have no F1; among equal logits the lowest class answers", () => {
  const logits = Float32Array.of(0, 0, 0, 0, 2, 2);
  const score = scorePredictions({ logits, labels: [0, 1], classes: 3, loss: 1 });
  const others = { microF1: null, meanSquaredError: null, pearson: null, spearman: null };
  const perClass = [0, 1].map((id) => ({ id, precision: 1, recall: 1, f1: 1, support: 1 }));
  expect(score).toEqual({
    ...{ examples: 2, loss: 1, accuracy: 1, f1: null, majority: 0.5 },
    ...{
      macroF1: 1,
      matthews: expect.closeTo(1, 12),
      perClass,
      confusion: [
        [1, 0],
        [0, 1],
      ],
    },
    ...others,
  });
});

const NO_CLASSES = {
  ...{ accuracy: null, f1: null, macroF1: null, microF1: null, matthews: null, majority: null },
  ...{ perClass: null, confusion: null },
};

test("regression has an error and correlations, which constant values do not have", () => {
  const one = scorePredictions({ logits: Float32Array.of(3), labels: [2], classes: 1, loss: 1 });
  const constant = { meanSquaredError: 1, pearson: null, spearman: null };
  expect(one).toEqual({ examples: 1, loss: 1, ...constant, ...NO_CLASSES });
  const logits = Float32Array.of(1, 2, 4);
  const three = scorePredictions({ logits, labels: [0, 1, 3], classes: 1, loss: 1 });
  const found = {
    meanSquaredError: 1,
    pearson: expect.closeTo(1, 12),
    spearman: expect.closeTo(1, 12),
  };
  expect(three).toEqual({ examples: 3, loss: 1, ...found, ...NO_CLASSES });
});

test("labels of several are predicted above a logit of 0", () => {
  const problemType = "multi_label_classification";
  const logits = Float32Array.of(1, -1, 0, 2);
  const score = scorePredictions({
    logits,
    labels: [1, 0, 1, 1],
    classes: 2,
    loss: 1,
    problemType,
  });
  expect(score).toMatchObject({ examples: 2, accuracy: 0.5, microF1: 0.8, f1: null });
  expect(score.perClass?.map(({ recall }) => recall)).toEqual([0.5, 1]);
});
