import { expect, test } from "vitest";
import { type DemoTask, generateDemoTask } from "../../src/experiment/demo-task.ts";
import { bagOfWordsAccuracy } from "../train/bag-of-words.ts";

const task: DemoTask = generateDemoTask();

test("the same seed gives the same rows, another seed others", () => {
  expect(generateDemoTask()).toEqual(task);
  expect(generateDemoTask({ seed: 2 }).train[0]).not.toEqual(task.train[0]);
});

test("no sentence occurs twice, so none of dev is in train", () => {
  const texts = [...task.train, ...task.dev].map(({ text }) => text);
  expect(new Set(texts).size).toBe(texts.length);
});

test("labels are balanced in both parts", () => {
  for (const rows of [task.train, task.dev]) {
    const share = rows.filter(({ label }) => label === 1).length / rows.length;
    expect(share).toBeCloseTo(0.5, 2);
  }
});

test("every word is in the vocabulary, which lists no token twice", () => {
  const tokens = task.vocabulary.trimEnd().split("\n");
  expect(new Set(tokens).size).toBe(tokens.length);
  const known = new Set(tokens);
  const used = task.train.flatMap(({ text }) => text.split(" "));
  expect(used.filter((word) => !known.has(word))).toEqual([]);
});

test("a label says whether the statement is true", () => {
  const numbers = task.vocabulary.split("\n");
  for (const { text, label } of task.dev) {
    const [first = 0, second = 0] = text
      .split(" ")
      .flatMap((word, place, all) => (all[place - 1] === "of" ? [numbers.indexOf(word)] : []));
    const negated = /\b(not|never|hardly|barely)\b/.test(text);
    expect(first > second !== negated, text).toBe(label === 1);
  }
});

test("a bag of words does not solve it: order and negation are needed", () => {
  const accuracy = bagOfWordsAccuracy(task.train, task.dev);
  expect(accuracy).toBeGreaterThan(0.35);
  expect(accuracy).toBeLessThanOrEqual(0.65);
});

test("a bag of words does solve a task of single words", () => {
  const rows = task.train.map(({ text }) => ({ text, label: text.includes("crate") ? 1 : 0 }));
  expect(bagOfWordsAccuracy(rows.slice(0, 2000), rows.slice(2000))).toBeGreaterThan(0.95);
});

test("sizes that are none are refused", () => {
  expect(() => generateDemoTask({ trainCount: 0 })).toThrow(/trainCount: expected/);
  expect(() => generateDemoTask({ seed: -1 })).toThrow(/seed: expected/);
});
