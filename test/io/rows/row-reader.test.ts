import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RowOptions } from "../../../src/io/rows/options.ts";
import {
  createRowReader,
  type RowFile,
  type RowReaderOptions,
  type TextRow,
} from "../../../src/io/rows/row-reader.ts";
import { cutAt, places } from "./chunks.ts";

function readPieces(
  name: string,
  pieces: readonly Uint8Array[],
  given: Partial<RowReaderOptions> = {},
): { readonly rows: readonly TextRow[]; readonly file: RowFile } {
  const reader = createRowReader({ name, options: {}, needsLabels: true, ...given });
  const rows = [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
  return { rows, file: reader.file() };
}

const bytes = (text: string) => new TextEncoder().encode(text);
const readText = (name: string, text: string, options: RowOptions = {}) =>
  readPieces(name, [bytes(text)], { options });

const CASES = join(import.meta.dirname, "../../vectors/rows");
const files = readdirSync(CASES, { recursive: true, encoding: "utf8" })
  .filter((path) => /train\.(csv|tsv|jsonl?)$/.test(path))
  .map((path) => [path, readFileSync(join(CASES, path))] as const);

test("every file of the vectors gives the same rows and problems, in any pieces", () => {
  expect(files.length).toBeGreaterThan(50);
  for (const [path, content] of files) {
    const whole = Uint8Array.from(content);
    // Rows before bytes that are not UTF-8 are passed on or not.
    const read = (name: string, pieces: readonly Uint8Array[]) => {
      const result = readPieces(name, pieces);
      const [first] = result.file.problems.first;
      return first?.kind === "encoding" ? first : result;
    };
    const expected = read(path, [whole]);
    fc.assert(
      fc.property(places, (shares) => {
        expect(read(path, cutAt(whole, shares))).toEqual(expected);
      }),
      { numRuns: 20 },
    );
    const single = Array.from(whole, (byte) => Uint8Array.of(byte));
    expect(read(path, single)).toEqual(expected);
  }
});

test("rows of two texts, with their lines and labels as written", () => {
  const { rows, file } = readText("a.csv", 'x,y,label\n"1\n2",b, 01 \nc,d,NA\n');
  expect(rows).toEqual([
    { line: 2, text: "1\n2", textPair: "b" },
    { line: 4, text: "c", textPair: "d" },
  ]);
  expect(file.labels.spellings).toEqual(["01", "NA"]);
  expect([...file.labels.lines.subarray(0, 2)]).toEqual([2, 4]);
});

test("numbers in JSON are labels as they are written", () => {
  const text = '{"t": "1.5", "label": 1.50}\n{"t": "x", "label": 9007199254740993}\n';
  expect(
    readText("a.jsonl", `${text}{"t": "y", "label": [1e0, true, -0]}`).file.labels.spellings,
  ).toEqual(["1.50", "9007199254740993", "1e0", "true", "-0"]);
});

describe("bad rows", () => {
  const problemsOf = ({ problems }: RowFile) =>
    problems.first.map(({ kind, line, column, got }) => [kind, line, column, got]);

  test("of JSON", () => {
    const lines = [
      '{"text": "a", "label": null}',
      '{"text": "a"}',
      '{"text": 5, "label": 1}',
      '{"text": "\\ud800", "label": 1}',
      '{"text": "a", "label": "\\udc00"}',
      '{"text": "a", "label": {}}',
      '{"text": "a", "label": [null]}',
      '{"text": "a", "label": " "}',
    ];
    const { rows, file } = readText("a.jsonl", lines.join("\n"), { textColumn: "text" });
    expect(rows).toEqual([]);
    expect(problemsOf(file)).toEqual([
      ["label", 1, "label", "null"],
      ["label", 2, "label", "nothing"],
      ["text", 3, "text", "a number"],
      ["text", 4, "text", "a lone surrogate"],
      ["label", 5, "label", "a lone surrogate"],
      ["label", 6, "label", "an object"],
      ["label", 7, "label", "null"],
      ["label", 8, "label", "an empty text"],
    ]);
  });

  test("with indicators that are neither 0 nor 1", () => {
    const options = { labelColumn: ["a,b"] };
    const { rows, file } = readText("a.csv", "t,a,b\nx,1,2\ny, TRUE ,0.0\nz,,0\n", options);
    expect(rows.length).toBe(1);
    expect(problemsOf(file)).toEqual([
      ["label", 2, "b", '"2"'],
      ["label", 4, "a", '""'],
    ]);
    const json = '[{"t": "x", "a": true, "b": 1}, {"t": "y", "a": 2, "b": 0}]';
    expect(problemsOf(readText("a.json", json, options).file)).toEqual([
      ["label", 1, "a", "a number"],
    ]);
  });

  test("are skipped and counted by an option, but not what breaks the file", () => {
    const options = { skipBadRows: true };
    const { rows, file } = readText("a.csv", 'text,label\na\nb,\nc,1\n"d', options);
    expect(rows.length).toBe(1);
    expect([...file.skipped.counts]).toEqual([
      ["fields", 1],
      ["label", 1],
    ]);
    expect(problemsOf(file)).toEqual([["quote", 5, null, "end of file"]]);
    expect(file.isRefused).toBe(true);
    const none = readText("a.csv", "text,label\na\n", options).file;
    expect(problemsOf(none)).toEqual([["empty", null, null, "rows with problems only"]]);
  });
});

test("a file without rows, or with an unknown ending, is refused", () => {
  for (const text of ["", " \n\n", "text,label\n"])
    expect(readText("a.csv", text).file.problems.first[0]?.kind).toBe("empty");
  for (const text of ["[]", '{"data": []}', "\n"])
    expect(readText("a.json", text).file.problems.first[0]?.kind).toBe("empty");
  expect(readText("a.txt", "text,label\na,b\n").file.problems.first[0]).toMatchObject({
    kind: "options",
    got: "a.txt",
  });
  expect(readText("A.TSV.GZ", "text\tlabel\na\tb\n").rows.length).toBe(1);
});

test("a file whose labels are not needed may have none, and they are not read", () => {
  const given = { needsLabels: false };
  expect(readPieces("a.csv", [bytes("text\na\n")], given).rows).toEqual([
    { line: 2, text: "a", textPair: null },
  ]);
  const { rows, file } = readPieces("a.csv", [bytes("text,label\na,\n")], given);
  expect(rows).toEqual([{ line: 2, text: "a", textPair: null }]);
  expect(file.labels.rows).toBe(0);
});

test("names in JSON may have spaces around them", () => {
  const { rows } = readText("a.json", '[{" text ": "a", "label ": 1.0}]');
  expect(rows).toEqual([{ line: 1, text: "a", textPair: null }]);
});
