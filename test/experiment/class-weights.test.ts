import { expect, test } from "vitest";
import { formatProblem, isLeft } from "../../src/core/either.ts";
import {
  balancedWeights,
  classWeights,
  type GivenWeights,
} from "../../src/experiment/class-weights.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";

const CONFIG = parseModelConfigOrThrow({
  model_type: "bert",
  id2label: { 0: "bad", 1: "fair", 2: "good" },
});
const ROWS = [0, 0, 0, 1].map((label) => ({ text: "a", label }));

function read(given: GivenWeights, config = CONFIG): readonly (string | number)[] {
  const read = classWeights(given, config, ROWS);
  return isLeft(read) ? read.left.map(formatProblem) : read.right;
}

const file = (value: unknown): GivenWeights => ({ path: "w.json", value: value as never });

test("balanced weights give each class with rows the same sum, and absent classes 1", () => {
  expect(read("balanced")).toEqual([4 / 9, 4 / 3, 1]);
  expect(balancedWeights(2, Float64Array.of(1, 1, 0, 0))).toEqual([1, 1]);
});

test("a file has a list in the order of the ids, or an object with names", () => {
  expect(read(file([1, 2.5, 3]))).toEqual([1, 2.5, 3]);
  expect(read(file({ good: 3, bad: 1, fair: 2 }))).toEqual([1, 2, 3]);
  const unnamed = parseModelConfigOrThrow({ model_type: "bert", num_labels: 2 });
  expect(read(file({ 1: 5, 0: 4 }), unnamed)).toEqual([4, 5]);
});

test("wrong weights are refused by file and label", () => {
  const form = "w.json: expected a list of 3 numbers, or an object with a number for each label";
  expect(read(file([1, 2]))).toEqual([`${form}, got an array of 2`]);
  expect(read(file("balanced"))).toEqual([`${form}, got "balanced"`]);
  expect(read(file([1, 0, "2"]))).toEqual([
    "w.json fair: expected a number above 0, got 0",
    'w.json good: expected a number above 0, got "2"',
  ]);
  expect(read(file({ good: 3, bad: 1, best: 2 }))).toEqual([
    "w.json fair: expected a number above 0, got nothing",
    "w.json best: expected one of the labels bad, fair, good, got another name",
  ]);
  const regression = parseModelConfigOrThrow({
    ...{ model_type: "bert", num_labels: 1, problem_type: "regression" },
  });
  expect(read("balanced", regression)).toEqual([
    "`classWeights`: expected none for regression, got some",
  ]);
});
