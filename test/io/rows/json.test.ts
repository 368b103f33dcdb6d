import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createJsonParser } from "../../../src/io/rows/json.ts";
import { RowRefusal } from "../../../src/io/rows/problems.ts";
import { cutAt, places } from "./chunks.ts";

interface Read {
  readonly rows: readonly (readonly [line: number, object: unknown])[];
  readonly bad: readonly (readonly [line: number, got: string])[];
  readonly error: number | null | undefined;
}

function read(pieces: readonly string[]): Read {
  const rows: [number, unknown][] = [];
  const bad: [number, string][] = [];
  const sink = {
    row: (line: number, object: unknown) => rows.push([line, object]),
    bad: (line: number, _: string, got: string) => bad.push([line, got]),
  };
  const parser = createJsonParser("f.json");
  let error: number | null | undefined;
  try {
    for (const piece of pieces) parser.push(piece, sink);
    parser.end(sink);
  } catch (thrown) {
    if (!(thrown instanceof RowRefusal)) throw thrown;
    error = thrown.problem.line;
  }
  return { rows, bad, error };
}

const objects = fc.array(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), {
  minLength: 1,
});

test("arrays, arrays below data and lines give the same rows, in any pieces", () => {
  fc.assert(
    fc.property(objects, fc.nat(2), places, (given, indent, shares) => {
      const rows: readonly unknown[] = JSON.parse(JSON.stringify(given));
      const array = JSON.stringify(rows, null, indent);
      const data = JSON.stringify({ version: [1], data: rows, last: {} }, null, indent);
      const lines = rows.map((row) => JSON.stringify(row)).join("\r\n");
      for (const text of [array, data, `\n ${lines}\n`]) {
        const got = read(cutAt(text, shares));
        expect([text, got.error, got.bad]).toEqual([text, undefined, []]);
        // One line with an array `data` is the form with one object.
        const isData = text.includes("data") && rows.length === 1 && text !== array;
        if (!isData || text === data) expect(got.rows.map(([, row]) => row)).toEqual(rows);
      }
    }),
  );
});

test("damaged text gives the same rows and error, in any pieces", () => {
  const damage = fc.tuple(fc.nat(), fc.constantFrom("", ",", "]", '"', "\n", "{", "}"));
  fc.assert(
    fc.property(
      objects,
      fc.boolean(),
      damage,
      places,
      (given, isArray, [place, insert], shares) => {
        const whole = isArray
          ? JSON.stringify(given, null, 1)
          : given.map((row) => JSON.stringify(row)).join("\n");
        const at = place % (whole.length + 1);
        const text = whole.slice(0, at) + insert + whole.slice(insert === "" ? at + 1 : at);
        expect(read(cutAt(text, shares))).toEqual(read([text]));
      },
    ),
  );
});

describe("by hand", () => {
  test("rows have the lines where they start", () => {
    expect(read(['[\n\n{"a":\n1},', '\n {"a": 2}\n]\n']).rows).toEqual([
      [3, { a: 1 }],
      [5, { a: 2 }],
    ]);
    expect(read(['\n{"a": 1}\n\n{"a": 2}']).rows.map(([line]) => line)).toEqual([2, 4]);
  });

  test("one object with an array data, alone in the file", () => {
    expect(read(['{"data": [{"a": 1}]}\n\n']).rows).toEqual([[1, { a: 1 }]]);
    const two = read(['{"data": [1]}\n{"data": [2]}\n']);
    expect(two.rows).toEqual([
      [1, { data: [1] }],
      [2, { data: [2] }],
    ]);
    expect(read(['{"data": 1}\n']).rows).toEqual([[1, { data: 1 }]]);
    expect(read(['{"data": []}']).rows).toEqual([]);
  });

  test.each([
    ["[", 1],
    ['[{"a": 1}\n{"a": 2}]', 2],
    ['[{"a": 1},\n]', 2],
    ['[{"a": 1}]\nx', 2],
    ['[{"a": 1},\n{"b": "c]', 2],
    ['{"data": [{"a": 1}],\n}', 2],
    ['{\n"data": [{"a": 1}]} 5', 2],
    ['{\n"data": [{"a": 1}]', 2],
  ])("%j is refused at line %i", (text, line) => {
    expect(read([text]).error).toBe(line);
  });

  test("lines that are no objects are bad rows", () => {
    expect(read(['{"a": 1}\n[1]\nNaN\n"b"\n{\n']).bad).toEqual([
      [2, "an array"],
      [3, "NaN"],
      [4, "a string"],
      [5, "{"],
    ]);
  });
});
