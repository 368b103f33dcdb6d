import fc from "fast-check";
import { expect, test } from "vitest";
import { countRepeated } from "../../src/run/repeated-rows.ts";
import { packRows } from "../../src/train/packed-rows.ts";

function pack(rows: readonly (readonly number[])[]) {
  return packRows(
    rows.map((inputIds) => ({ inputIds, tokenTypeIds: inputIds.map(() => 0), label: 0 })),
  );
}

const fewRows = fc.array(fc.array(fc.nat(2), { maxLength: 4 }), { maxLength: 40 });

test("rows count as repeated as by a set of their texts", () => {
  fc.assert(
    fc.property(fewRows, fewRows, (rows, others) => {
      const known = new Set(rows.map((ids) => ids.join()));
      const expected = others.filter((ids) => known.has(ids.join())).length;
      expect(countRepeated(pack(rows), pack(others))).toBe(expected);
    }),
  );
});

test("rows of which one begins with the other differ", () => {
  expect(countRepeated(pack([[1, 2], [3]]), pack([[1], [2, 3], [1, 2, 3]]))).toBe(0);
  expect(countRepeated(pack([]), pack([[], [1]]))).toBe(0);
});
