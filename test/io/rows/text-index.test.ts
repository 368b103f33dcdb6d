import fc from "fast-check";
import { expect, test } from "vitest";
import { addText, createTextIndex, hasText } from "../../../src/io/rows/text-index.ts";

const rows = fc.array(
  fc.record({
    text: fc.string({ maxLength: 3 }),
    textPair: fc.option(fc.string({ maxLength: 3 })),
  }),
);

test("finds the rows with the same text and pair", () => {
  fc.assert(
    fc.property(rows, rows, (training, validation) => {
      const index = createTextIndex();
      for (const row of training) addText(index, row);
      const keys = new Set(training.map((row) => JSON.stringify(row)));
      for (const row of [...training, ...validation])
        expect(hasText(index, row)).toBe(keys.has(JSON.stringify(row)));
    }),
  );
});

test("text and pair are told apart", () => {
  const index = createTextIndex();
  addText(index, { text: "ab", textPair: "c" });
  expect(hasText(index, { text: "a", textPair: "bc" })).toBe(false);
  expect(hasText(index, { text: "abc", textPair: null })).toBe(false);
  expect(hasText(index, { text: "abc", textPair: "" })).toBe(false);
});
