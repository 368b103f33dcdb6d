import { describe, expect, test } from "vitest";
import { isLeft } from "../../src/core/either.ts";
import { METRIC_NAMES } from "../../src/core/metric-names.ts";
import { createTokenizer, encode } from "../../src/io/tokenizer.ts";
import { readEvaluationRows } from "../../src/run/evaluation-rows.ts";
import { checkBounds, evaluateModel } from "../../src/run/model-evaluation.ts";
import type { OutputMeaning } from "../../src/run/prediction.ts";
import { VOCABULARY } from "../cli/fixtures.ts";
import { memoryStorage } from "./memory-storage.ts";

const tokenizer = createTokenizer(VOCABULARY);
const settings = { batchSize: 2, maxLength: 16, turn: async () => {} };

/** A model whose logits follow from the number of tokens of a text. */
function modelOf(outputs: number, logitsOf: (tokens: number) => readonly number[]) {
  const classifier = {
    config: { labels: outputs, padTokenId: 0 },
    logits: ({
      batch,
      positions,
      attentionMask,
    }: {
      batch: number;
      positions: number;
      attentionMask: Uint8Array;
    }) =>
      Float32Array.from(
        Array.from({ length: batch }, (_, row) => {
          const mask = attentionMask.subarray(row * positions, (row + 1) * positions);
          return logitsOf(mask.reduce((sum, each) => sum + each, 0));
        }).flat(),
      ),
  };
  return { classifier, tokenizer } as unknown as Parameters<typeof evaluateModel>[0];
}

async function evaluate(
  meaning: OutputMeaning,
  logitsOf: (tokens: number) => readonly number[],
  rows: string,
  threshold?: number,
) {
  const storage = memoryStorage();
  await storage.write("rows.jsonl", rows);
  const reader = { name: "rows.jsonl", options: {} };
  const read = await readEvaluationRows(storage, reader, meaning, async () => {});
  if (isLeft(read)) throw new Error(read.left.map(({ path, got }) => `${path} ${got}`).join());
  const model = modelOf(meaning.names.length, logitsOf);
  const { values, ...found } = await evaluateModel(model, meaning, read.right, {
    ...settings,
    threshold,
  });
  return { ...found, values: Object.fromEntries(values) };
}

const rowsOf = (rows: readonly (readonly [text: string, label: unknown])[]): string =>
  rows.map(([text, label]) => JSON.stringify({ text, label })).join("\n");

const tokens = (text: string): number => encode(tokenizer, text).inputIds.length;

test("classes are the largest logits", async () => {
  const meaning: OutputMeaning = {
    problemType: "single_label_classification",
    names: ["odd", "even"],
  };
  const rows = rowsOf([
    ["tree", "odd"],
    ["the tree", "even"],
    ["a wall grows", "even"],
    ["", "even"],
  ]);
  expect(["tree", "the tree", "a wall grows", ""].map(tokens)).toEqual([3, 4, 5, 2]);
  const { values, confusion } = await evaluate(
    meaning,
    (n) => (n % 2 === 1 ? [1, 0] : [0, 1]),
    rows,
  );
  expect(values).toMatchObject({ accuracy: 0.75, f1: 0.8 });
  expect(confusion).toEqual([
    [1, 0],
    [1, 2],
  ]);
});

test("several labels are those above the threshold", async () => {
  const meaning: OutputMeaning = {
    problemType: "multi_label_classification",
    names: ["b", "a", "c"],
  };
  const rows = rowsOf([
    ["tree", ["a", "b"]],
    ["the tree", []],
    ["old wall", ["c"]],
  ]);
  const logits = (n: number): readonly number[] => (n === 3 ? [1, 0.1, -1] : [-1, -1, -0.1]);
  expect((await evaluate(meaning, logits, rows)).values).toMatchObject({ accuracy: 2 / 3 });
  const lower = await evaluate(meaning, logits, rows, 0.45);
  expect(lower.values).toMatchObject({ accuracy: 2 / 3, microF1: 6 / 7 });
  expect(lower.perClass.map(({ support }) => support)).toEqual([1, 1, 1]);
  expect(lower.confusion).toBeNull();
});

test("values are compared as they are", async () => {
  const meaning: OutputMeaning = { problemType: "regression", names: ["LABEL_0"] };
  const rows = rowsOf([
    ["tree", 3],
    ["the tree", 4.5],
    ["a wall grows", 5],
  ]);
  const { values } = await evaluate(meaning, (n) => [n], rows);
  expect(values.meanSquaredError).toBeCloseTo(0.25 / 3, 12);
  expect(values.spearman).toBeCloseTo(1, 12);
});

describe("checkBounds", () => {
  const meaning: OutputMeaning = { problemType: "single_label_classification", names: ["a", "b"] };

  test("finds every metric by its name", () => {
    const names = ["accuracy", "f1", "macro_f1", "matthews"];
    const { bounds, problems } = checkBounds(
      names.map((name) => ({ name, least: 0.5 })),
      meaning,
    );
    expect(problems).toEqual([]);
    expect(bounds.map(({ metric }) => METRIC_NAMES[metric].key)).toEqual(names);
  });

  test("refuses other names and values", () => {
    const given = [
      { name: "pearson", least: 0 },
      { name: "accuracy", least: -0.1 },
      { name: "matthews", least: -1 },
    ];
    const { bounds, problems } = checkBounds(given, meaning);
    expect(bounds).toEqual([{ metric: "matthews", least: -1 }]);
    expect(problems).toEqual([
      {
        path: "`min`",
        expected: "one of the metrics accuracy, f1, macro_f1, matthews",
        got: "pearson",
      },
      { path: "`min`", expected: "a value of accuracy from 0 to 1", got: "-0.1" },
    ]);
  });
});
