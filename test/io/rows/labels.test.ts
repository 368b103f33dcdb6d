import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addLabels, createLabelColumn } from "../../../src/io/rows/label-column.ts";
import {
  compareCodePoints,
  decideLabels,
  type LabelForm,
  labelNumber,
  type RowLabels,
  readLabels,
} from "../../../src/io/rows/labels.ts";

type Written = string | readonly string[];

function columnOf(rows: readonly Written[], names?: readonly string[]) {
  const column = createLabelColumn(names);
  for (const [index, row] of rows.entries()) addLabels(column, index + 2, row);
  return column;
}

function decide(rows: readonly Written[], form: Partial<LabelForm> = {}) {
  return decideLabels(columnOf(rows), { problemType: undefined, indicators: null, ...form });
}

/** The ids or values, row by row. */
function listed(labels: RowLabels): readonly unknown[] {
  if (labels.problemType === "regression") return [...labels.values];
  if (labels.problemType === "single_label_classification") return [...labels.ids];
  return Array.from(labels.ends, (end, row) => [
    ...labels.ids.subarray(row === 0 ? 0 : labels.ends[row - 1], end),
  ]);
}

test("a label is a number as JSON writes one", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom("0", "1", ".", "e", "-", "+", "5") }), (text) => {
      let isJson = true;
      try {
        JSON.parse(text);
      } catch {
        isJson = false;
      }
      const value = Number(text);
      const isUsed = isJson && Number.isFinite(value) && !(Math.abs(value) > 2 ** 53 - 1);
      expect(labelNumber(text)).toBe(isUsed ? value + 0 : undefined);
    }),
    { numRuns: 2000 },
  );
  for (const name of ["", "1,5", "0x1", "Infinity", "9007199254740992", "1e20", "1e999"])
    expect(labelNumber(name)).toBeUndefined();
  expect(labelNumber("-0")).toBe(0);
});

test("names sort by code point", () => {
  const names = fc.string({ unit: "binary" });
  fc.assert(
    fc.property(names, names, (a, b) => {
      const points = (text: string) => Array.from(text, (letter) => letter.codePointAt(0) ?? 0);
      const [x, y] = [points(a), points(b)];
      const at = x.findIndex((point, index) => point !== y[index]);
      const expected = at === -1 ? x.length - y.length : (x[at] ?? 0) - (y[at] ?? -1);
      expect(Math.sign(compareCodePoints(a, b))).toBe(Math.sign(expected));
    }),
  );
});

test("every row has the id of its name, and names are distinct and sorted", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary", minLength: 1 }), { minLength: 1 }), (rows) => {
      const names = rows.map((row) => `x${row}`);
      const { meaning, labels, bad } = decide(names);
      expect(bad).toEqual([]);
      expect(listed(labels).map((id) => meaning.names?.[id as number])).toEqual(names);
      expect(meaning.names).toEqual([...new Set(names)].sort(compareCodePoints));
    }),
  );
});

describe("a training file's labels", () => {
  test("whole numbers are classes, by value", () => {
    const { meaning, labels } = decide(["10", "1.0", "-1", "1e0", "2"]);
    expect(meaning.names).toEqual(["-1", "1", "2", "10"]);
    expect(listed(labels)).toEqual([3, 1, 0, 1, 2]);
  });

  test("a fraction among numbers means regression, one name means names", () => {
    expect(decide(["1", "0.5", "2"]).labels).toMatchObject({ problemType: "regression" });
    const names = decide(["1", "0.5", "1.0", "x"]).meaning.names;
    expect(names).toEqual(["0.5", "1", "1.0", "x"]);
  });

  test("words for a missing label are bad among numbers, and names among names", () => {
    const numbers = decide(["0", "NaN", "1", "NA"]);
    expect(numbers.bad.map(({ row }) => row)).toEqual([1, 3]);
    expect(numbers.meaning.names).toEqual(["0", "1"]);
    expect(listed(numbers.labels)).toEqual([0, -1, 1, -1]);
    expect(decide(["NA", "EU"]).bad).toEqual([]);
    expect(decide(["NA", "None"]).meaning.names).toEqual(["NA", "None"]);
  });

  test("an option decides the kind, and rows of another kind are bad", () => {
    const classes = decide(["0.5", "1.50"], { problemType: "single_label_classification" });
    expect(classes.meaning.names).toEqual(["0.5", "1.5"]);
    const values = decide(["1", "warm"], { problemType: "regression" });
    expect(values.bad).toMatchObject([{ row: 1, expected: "a number", got: '"warm"' }]);
    expect(listed(values.labels)).toEqual([1, Number.NaN]);
    const sets = decide(["a", "b"], { problemType: "multi_label_classification" });
    expect(listed(sets.labels)).toEqual([[0], [1]]);
    const single = decide([["a"], "b"], { problemType: "single_label_classification" });
    expect(single.bad).toMatchObject([{ row: 0, expected: "one label" }]);
  });

  test("a list means several labels a row", () => {
    const { meaning, labels, bad } = decide([["b", "a"], [], "c", ["a"]]);
    expect(meaning).toMatchObject({ problemType: "multi_label_classification", names: ["a", "b"] });
    expect(listed(labels)).toEqual([[0, 1], [], [], [0]]);
    expect(bad).toMatchObject([{ row: 2, expected: "a list of labels" }]);
  });

  test("the same label twice in a row is bad, also in two spellings of a number", () => {
    expect(decide([["1", "1.0"], ["2"]]).bad.map(({ row }) => row)).toEqual([0]);
    expect(decide([["1", "1.0"], ["x"]]).bad).toEqual([]);
    expect(decide([["z", "z"], ["x"]]).meaning.names).toEqual(["x"]);
  });

  test("indicators keep their order and need not occur", () => {
    const column = columnOf([["wet"], []], ["hot", "wet"]);
    const form = { problemType: undefined, indicators: ["hot", "wet"] };
    const { meaning, labels } = decideLabels(column, form);
    expect(meaning.names).toEqual(["hot", "wet"]);
    expect(listed(labels)).toEqual([[1], []]);
  });
});

test("a validation file's labels are those of training, in any spelling of a number", () => {
  const { meaning } = decide(["0", "1"]);
  const read = readLabels(columnOf(["1.0", "2", "x", "NA"]), meaning);
  expect(listed(read.labels)).toEqual([1, -1, -1, -1]);
  expect(read.bad.map(({ expected }) => expected)).toEqual(["0 or 1", "a number", "a number"]);
  const many = decide(["a", "b", "c", "d", "e", "f"]).meaning;
  expect(readLabels(columnOf(["g"]), many).bad[0]?.expected).toBe(
    "one of the 6 labels in training",
  );
});
