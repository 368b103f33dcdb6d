import fc from "fast-check";
import Papa from "papaparse";
import { describe, expect, test } from "vitest";
import {
  formatPrediction,
  type OutputMeaning,
  type PredictionForm,
  predictionForm,
  predictionHeader,
  predictionOf,
} from "../../src/run/prediction.ts";

const single = (names: readonly string[]): OutputMeaning => {
  return { problemType: "single_label_classification", names };
};
const multi = (names: readonly string[]): OutputMeaning => {
  return { problemType: "multi_label_classification", names };
};
const logit = fc.float({ min: -30, max: 30, noNaN: true });
const names = fc.uniqueArray(fc.string({ unit: "grapheme" }), { minLength: 2, maxLength: 5 });

/** Names with a logit for each. */
const outputs = names.chain((own) =>
  fc.tuple(fc.constant(own), fc.array(logit, { minLength: own.length, maxLength: own.length })),
);

describe("predictionOf", () => {
  test("gives the class of the largest logit, and probabilities with the sum 1", () => {
    fc.assert(
      fc.property(outputs, ([own, logits]) => {
        const prediction = predictionOf(single(own), Float32Array.from(logits));
        if (prediction.problemType !== "single_label_classification") throw new Error("kind");
        const { id, label, probabilities } = prediction;
        expect(label).toBe(own[id]);
        expect(logits.every((each) => each <= (logits[id] ?? NaN))).toBe(true);
        expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
        logits.forEach((a, i) => {
          const ratio = Math.log((probabilities[i] ?? 0) / (probabilities[0] ?? 0));
          expect(ratio).toBeCloseTo(a - (logits[0] ?? 0), 9);
        });
      }),
    );
  });

  test("a tie goes to the first class", () => {
    expect(predictionOf(single(["a", "b", "c"]), Float32Array.of(0, 2, 2))).toMatchObject({
      id: 1,
    });
  });

  test("gives the labels with a probability above the threshold", () => {
    const threshold = fc.double({ min: 0.001, max: 0.999, noNaN: true });
    fc.assert(
      fc.property(outputs, threshold, ([own, logits], least) => {
        const prediction = predictionOf(multi(own), Float32Array.from(logits), least);
        if (prediction.problemType !== "multi_label_classification") throw new Error("kind");
        const { labels, probabilities } = prediction;
        own.forEach((name, i) => {
          const probability = probabilities[i] ?? NaN;
          if (Math.abs(probability - least) > 1e-9)
            expect(labels.includes(name)).toBe(probability > least);
        });
      }),
    );
    expect(predictionOf(multi(["a", "b"]), Float32Array.of(0, 1e-6))).toMatchObject({
      labels: ["b"],
    });
  });

  test("gives the values of regression as they are", () => {
    const meaning: OutputMeaning = { problemType: "regression", names: ["LABEL_0"] };
    expect(predictionOf(meaning, Float32Array.of(1.5))).toEqual({
      problemType: "regression",
      values: [1.5],
    });
  });
});

/** The text of predictions, with a line before each if asked for. */
function textOf(
  form: PredictionForm,
  meaning: OutputMeaning,
  logits: readonly number[],
  withLines = false,
) {
  const format = { meaning, withLines };
  const prediction = predictionOf(meaning, Float32Array.from(logits));
  return predictionHeader(form, format) + formatPrediction(form, format, prediction, 7);
}

describe("formatPrediction", () => {
  test("CSV and JSON Lines have the same labels and probabilities, whatever the names", () => {
    fc.assert(
      fc.property(outputs, fc.boolean(), ([own, logits], isMulti) => {
        const meaning = isMulti ? multi(own) : single(own);
        const csv = textOf("csv", meaning, logits);
        const json = textOf("jsonl", meaning, logits);
        expect(json.indexOf("\n")).toBe(json.length - 1);
        const { data } = Papa.parse<string[]>(csv.slice(0, -1), { delimiter: ",", newline: "\n" });
        expect(data).toHaveLength(2);
        const [header = [], [labels = "", ...probabilities] = []] = data;
        expect(header).toEqual([
          isMulti ? "labels" : "label",
          ...own.map((name) => `probability_${name}`),
        ]);
        const read = JSON.parse(json);
        expect(isMulti ? JSON.parse(labels) : labels).toEqual(isMulti ? read.labels : read.label);
        expect(probabilities.map(Number)).toEqual(own.map((name) => read.probabilities[name]));
      }),
    );
  });

  test("a value identifies the float32", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const meaning: OutputMeaning = { problemType: "regression", names: ["LABEL_0"] };
        const [, written = ""] = textOf("csv", meaning, [value]).split("\n");
        expect(Math.fround(Number(written)) + 0).toBe(Math.fround(value) + 0);
        expect(textOf("jsonl", meaning, [value])).toBe(`{"value":${written}}\n`);
      }),
    );
  });

  test("several values have the names of their outputs", () => {
    const meaning: OutputMeaning = { problemType: "regression", names: ["a", "b"] };
    expect(textOf("csv", meaning, [1, 2])).toBe("value_a,value_b\n1,2\n");
    expect(textOf("jsonl", meaning, [1, 2])).toBe('{"values":{"a":1,"b":2}}\n');
  });

  test("the line is first", () => {
    expect(textOf("csv", single(["a", "b"]), [0, -20], true)).toBe(
      "line,label,probability_a,probability_b\n7,a,1,2.061154e-9\n",
    );
    expect(textOf("jsonl", single(["a", "b"]), [0, 0], true)).toBe(
      '{"line":7,"label":"a","probabilities":{"a":0.5,"b":0.5}}\n',
    );
  });
});

test.each([
  ["a.csv", "csv"],
  ["a.CSV.gz", "csv"],
  ["b.jsonl", "jsonl"],
  ["b.jsonl.gz", "jsonl"],
  ["b.json", undefined],
  ["csv", undefined],
])("the form of %s is %s", (path, form) => {
  expect(predictionForm(path)).toBe(form);
});
