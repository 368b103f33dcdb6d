import fc from "fast-check";
import { expect, test } from "vitest";
import type { RowLabels } from "../../../src/io/rows/labels.ts";
import { splitRows } from "../../../src/io/rows/split.ts";

const shares = fc.double({ min: 0.01, max: 0.99, noNaN: true });
const labelled = fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 60 });

function classes(ids: readonly number[]) {
  const labels: RowLabels = {
    problemType: "single_label_classification",
    ids: Int32Array.from(ids),
  };
  const kept = Uint32Array.from(ids.keys()).filter((row) => ids[row] !== -1);
  return { labels, kept };
}

test("training and validation rows are all kept rows, in order", () => {
  fc.assert(
    fc.property(labelled, shares, fc.nat(), (ids, share, seed) => {
      const { labels, kept } = classes(ids);
      const { training, validation } = splitRows(kept, labels, share, seed);
      expect([...training, ...validation].sort((a, b) => a - b)).toEqual([...kept]);
      expect([...training]).toEqual([...training].sort((a, b) => a - b));
      expect([...validation]).toEqual([...validation].sort((a, b) => a - b));
      expect(splitRows(kept, labels, share, seed)).toEqual({ training, validation });
    }),
  );
});

test("of every label, the rounded share is drawn, at least one row and not all", () => {
  fc.assert(
    fc.property(labelled, shares, fc.nat(), (ids, share, seed) => {
      const { labels, kept } = classes(ids);
      const { validation } = splitRows(kept, labels, share, seed);
      for (const id of new Set(ids.filter((label) => label !== -1))) {
        const rows = ids.filter((label) => label === id).length;
        const rounded = Math.floor(rows * share + 0.5);
        const expected = rows === 1 ? 0 : Math.min(Math.max(rounded, 1), rows - 1);
        expect(validation.filter((row) => ids[row] === id).length).toBe(expected);
      }
    }),
  );
});

test("regression and lists of labels are drawn from all rows", () => {
  const kept = Uint32Array.from({ length: 10 }, (_, row) => row);
  const values: RowLabels = { problemType: "regression", values: Float64Array.from(kept) };
  expect(splitRows(kept, values, 0.25, 1).validation.length).toBe(3);
  const lists: RowLabels = {
    problemType: "multi_label_classification",
    ids: new Int32Array(0),
    ends: new Uint32Array(10),
  };
  expect(splitRows(kept, lists, 0.25, 1).validation.length).toBe(3);
});

test("another seed draws other rows", () => {
  const { labels, kept } = classes(new Array(100).fill(0));
  const drawn = [1, 2].map((seed) => splitRows(kept, labels, 0.5, seed).validation.join());
  expect(drawn[0]).not.toBe(drawn[1]);
  expect(() => splitRows(kept, labels, 2, 1)).toThrow("share: expected");
});
