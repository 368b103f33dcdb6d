import { describe, expect, test } from "vitest";
import { chooseColumns, columnsProblem, trimmed } from "../../../src/io/rows/columns.ts";
import type { RowOptions } from "../../../src/io/rows/options.ts";

function choose(names: string, options: RowOptions = {}, needsLabel = true) {
  return chooseColumns({ file: "f.csv", line: 1, names: names.split("|") }, options, needsLabel);
}

describe("columns by rule", () => {
  test.each([
    ["label|text", { text: "text", textPair: null, label: "label" }],
    ["a|b|c|label", { text: "a", textPair: "b", label: "label" }],
    ["id|sentence2|label|sentence1", { text: "sentence1", textPair: "sentence2", label: "label" }],
    ["|text|label", { text: "text", textPair: null, label: "label" }],
    ["sentence1|label", { text: "sentence1", textPair: null, label: "label" }],
  ])("%s", (names, columns) => {
    expect(choose(names)).toEqual(columns);
  });

  test("a file without labels, if it may be", () => {
    expect(choose("id|text", {}, false)).toEqual({ text: "id", textPair: "text", label: null });
    expect(choose("label|text", {}, false)).toMatchObject({ text: "text", label: "label" });
  });
});

describe("columns by option", () => {
  test.each<[string, RowOptions, object]>([
    ["id|text|label", { textColumn: "text" }, { text: "text", textPair: null, label: "label" }],
    ["a|b|c|label", { textPairColumn: "b" }, { text: "a", textPair: "b" }],
    ["a|b|c|label", { textPairColumn: "a" }, { text: "b", textPair: "a" }],
    ["a|b|y", { labelColumn: ["y"] }, { text: "a", textPair: "b", label: "y" }],
    ["a|x|y", { labelColumn: ["y, x"] }, { text: "a", textPair: null, label: ["y", "x"] }],
    ["a|x|y", { labelColumn: ["y", "x"] }, { label: ["y", "x"] }],
    ["a|x,y", { labelColumn: ["x,y"] }, { text: "a", label: "x,y" }],
  ])("%s with %j", (names, options, columns) => {
    expect(choose(names, options)).toMatchObject(columns);
  });
});

describe("refused columns", () => {
  test.each<[string, RowOptions, string, string]>([
    ["Text|Label", {}, "label", "Text, Label; --label-column names another"],
    ["text;label", {}, "label", "the separator looks like a semicolon"],
    ["text|label", { textColumn: "body" }, "body", "--text-column names another"],
    ["text|label", { textPairColumn: "b" }, "b", "--text-pair-column names another"],
    ["text|text|label", {}, "text", "two of this name"],
    ["text|label|label", {}, "label", "two of this name"],
    ["label", {}, "text", "--text-column names another"],
    ["text|label", { textColumn: "label" }, "label", "the same column"],
    ["a|b|label", { textColumn: "b", textPairColumn: "b" }, "b", "one column twice"],
    ["a|x", { labelColumn: ["x,y"] }, "y", "--label-column names another"],
  ])("%s with %j", (names, options, column, got) => {
    expect(choose(names, options)).toMatchObject({
      kind: "column",
      line: 1,
      column,
      got: expect.stringContaining(got),
    });
  });

  test("a doubled name that is not used does not matter", () => {
    expect(choose("id|id|text|label", { textColumn: "text" })).toMatchObject({ text: "text" });
  });

  test("a validation file needs the columns of the training file", () => {
    const columns = { text: "a", textPair: null, label: "y" };
    const found = { file: "v.csv", line: 3, names: ["y", "b"] };
    expect(columnsProblem(found, columns)).toMatchObject({ file: "v.csv", line: 3, column: "a" });
    expect(columnsProblem({ ...found, names: ["y", "a"] }, columns)).toBeUndefined();
  });
});

test("white space of ASCII around names is removed", () => {
  expect(trimmed(" \t a b\r\n\f\v")).toBe("a b");
  expect(trimmed("\u00a0a\ufeff")).toBe("\u00a0a\ufeff");
  expect(trimmed("   ")).toBe("");
});
