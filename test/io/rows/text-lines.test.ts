import fc from "fast-check";
import { expect, test } from "vitest";
import { createRowReader } from "../../../src/io/rows/row-reader.ts";
import { splitLines } from "../../../src/io/text.ts";

function read(pieces: readonly Uint8Array[], options = {}) {
  const settings = { options, needsLabels: false, acceptsLines: true };
  const reader = createRowReader({ name: "a.txt", ...settings });
  const rows = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
  return { rows, file: reader.file() };
}

const bytes = (text: string) => new TextEncoder().encode(text);

test("a text on each line, or two with a tab between them", () => {
  const { rows, file } = read([bytes('\uFEFFthe tree\r\n\na wall\tgrows\rold,"vine')]);
  expect(rows).toEqual([
    { line: 1, text: "the tree", textPair: null },
    { line: 2, text: "", textPair: null },
    { line: 3, text: "a wall", textPair: "grows" },
    { line: 4, text: 'old,"vine', textPair: null },
  ]);
  expect(file.problems.first).toEqual([]);
});

test("three texts are a bad row, which may be skipped", () => {
  const three = bytes("one\na\tb\tc\nlast\n");
  expect(read([three]).file.problems.first).toMatchObject([
    { kind: "fields", line: 2, expected: "a text, or two with a tab between them", got: "more" },
  ]);
  const skipping = read([three], { skipBadRows: true });
  expect(skipping.rows.map(({ line }) => line)).toEqual([1, 3]);
  expect(skipping.file.skipped.first).toMatchObject([{ line: 2 }]);
});

test("a file without lines and one that is not UTF-8 are refused", () => {
  expect(read([bytes("")]).file.problems.first).toMatchObject([{ kind: "empty" }]);
  const latin = Uint8Array.of(0x61, 0x0a, 0x68, 0xe9, 0x0a);
  expect(read([latin]).file.problems.first).toMatchObject([{ kind: "encoding", line: 2 }]);
});

test("lines are the same in any pieces", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\n", "\r", " ", "é"), minLength: 1 });
  fc.assert(
    fc.property(text, fc.array(fc.nat(20)), (content, cuts) => {
      const whole = bytes(content);
      const places = [0, ...cuts.filter((at) => at < whole.length).toSorted((a, b) => a - b)];
      const pieces = places.map((at, i) => whole.subarray(at, places[i + 1] ?? whole.length));
      expect(read(pieces).rows.map((row) => row.text)).toEqual(splitLines(content));
    }),
  );
});
