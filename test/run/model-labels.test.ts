import { describe, expect, test } from "vitest";
import { addLabels, createLabelColumn } from "../../src/io/rows/label-column.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { labelMeaning, outputMeaning, rowOptionsFor } from "../../src/run/model-labels.ts";
import type { OutputMeaning } from "../../src/run/prediction.ts";
import { CONFIG } from "../cli/fixtures.ts";

const configOf = (keys: object) => parseModelConfigOrThrow({ ...CONFIG, ...keys });

describe("outputMeaning", () => {
  test.each([
    [{}, "single_label_classification", ["LABEL_0", "LABEL_1"]],
    [{ num_labels: 1 }, "regression", ["LABEL_0"]],
    [{ id2label: { 0: "no", 1: "yes" } }, "single_label_classification", ["no", "yes"]],
    [
      { problem_type: "multi_label_classification", id2label: { 0: "a", 1: "b", 2: "c" } },
      "multi_label_classification",
      ["a", "b", "c"],
    ],
  ])("%j", (keys, problemType, names) => {
    expect(outputMeaning(configOf(keys))).toEqual({ problemType, names });
  });
});

function columnOf(...labels: readonly string[]) {
  const column = createLabelColumn();
  labels.forEach((label, i) => {
    addLabels(column, i + 2, label);
  });
  return column;
}

describe("labelMeaning", () => {
  const problemType = "single_label_classification";
  const of = (names: readonly string[], ...labels: readonly string[]) =>
    labelMeaning({ problemType, names }, columnOf(...labels));

  test("reads names, and numbers if all names are numbers", () => {
    expect(of(["no", "yes"], "no")).toEqual({ problemType, numeric: false, names: ["no", "yes"] });
    expect(of(["1", "2.5"], "1.0")).toEqual({ problemType, numeric: true, names: ["1", "2.5"] });
    expect(of(["1", "01"], "1").numeric).toBe(false);
  });

  test("reads ids, or transformers' names, for a model without names", () => {
    const unnamed = ["LABEL_0", "LABEL_1"];
    expect(of(unnamed, "1", "0")).toEqual({ problemType, numeric: true, names: ["0", "1"] });
    expect(of(unnamed, "LABEL_1")).toEqual({ problemType, numeric: false, names: unnamed });
  });

  test("reads numbers for regression", () => {
    const meaning: OutputMeaning = { problemType: "regression", names: ["LABEL_0"] };
    const expected = { problemType: "regression", numeric: true, names: null };
    expect(labelMeaning(meaning, columnOf("1"))).toEqual(expected);
  });
});

describe("rowOptionsFor", () => {
  const espalier_rows = {
    text_column: "title",
    text_pair_column: "body",
    label_column: ["a", "b"],
    label_separator: null,
  };
  const stored = { textColumn: "title", textPairColumn: "body", labelColumn: ["a", "b"] };

  test("takes the columns of the training file, unless others are given", () => {
    const config = configOf({ espalier_rows });
    expect(rowOptionsFor(config, {})).toEqual(stored);
    expect(rowOptionsFor(config, { labelColumn: ["c"] })).toEqual({
      ...stored,
      labelColumn: ["c"],
    });
    const { textPairColumn: _, ...single } = stored;
    expect(rowOptionsFor(config, { textColumn: "x" })).toEqual({ ...single, textColumn: "x" });
    const separated = { ...espalier_rows, label_column: "tags", label_separator: ";" };
    expect(rowOptionsFor(configOf({ espalier_rows: separated }), {})).toMatchObject({
      labelColumn: ["tags"],
      labelSeparator: ";",
    });
  });

  test("takes what is given if the model has none", () => {
    expect(rowOptionsFor(configOf({}), { textColumn: "x" })).toEqual({ textColumn: "x" });
  });
});
