import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCsvParser } from "../../../src/io/rows/csv.ts";
import { RowRefusal } from "../../../src/io/rows/problems.ts";
import { cutAt, places } from "./chunks.ts";
import { type NaiveCsv, naiveCsv } from "./naive-csv.ts";

function parse(pieces: readonly string[], separator: "," | "\t" = ","): NaiveCsv {
  const records: [number, string[]][] = [];
  const take = (line: number, fields: readonly string[]) => records.push([line, [...fields]]);
  const parser = createCsvParser("f.csv", separator);
  try {
    for (const piece of pieces) parser.push(piece, take);
    parser.end(take);
  } catch (error) {
    if (!(error instanceof RowRefusal)) throw error;
    return { records, error: error.problem.line ?? 0 };
  }
  return { records, error: undefined };
}

const hard = (maxLength: number) =>
  fc.string({
    unit: fc.constantFrom("a", '"', ",", "\n", "\r", "\r\n", " ", '""', "\t"),
    maxLength,
  });

test("records and errors equal those of a parser by characters, in any pieces", () => {
  const separators = fc.constantFrom("," as const, "\t" as const);
  fc.assert(
    fc.property(hard(40), places, separators, (text, shares, separator) => {
      expect(parse(cutAt(text, shares), separator)).toEqual(naiveCsv(text, separator));
    }),
    { numRuns: 3000 },
  );
});

test("quoted fields are read back, in any pieces", () => {
  const fields = fc.array(fc.string({ unit: "binary" }), { minLength: 1, maxLength: 4 });
  const ends = fc.constantFrom("\n", "\r\n");
  fc.assert(
    fc.property(fc.array(fields, { minLength: 1 }), ends, places, (records, end, shares) => {
      const quote = (field: string) => `"${field.replaceAll('"', '""')}"`;
      const text = records.map((record) => record.map(quote).join(",") + end).join("");
      const got = parse(cutAt(text, shares));
      expect(got.records.map(([, record]) => record)).toEqual(records);
    }),
  );
});

describe("by hand", () => {
  test("lines are physical lines, and a record has the line where it starts", () => {
    const { records } = parse(['a,b\n\n"1\n2",c\r\n   \nd\n']);
    expect(records).toEqual([
      [1, ["a", "b"]],
      [3, ["1\n2", "c"]],
      [6, ["d"]],
    ]);
  });

  test("CR ends records of a file without LF, and is text elsewhere", () => {
    expect(parse(["a,b\rc", ",d\r"]).records).toEqual([
      [1, ["a", "b"]],
      [2, ["c", "d"]],
    ]);
    expect(parse(["a\rb", "\nc"]).records).toEqual([
      [1, ["a\rb"]],
      [2, ["c"]],
    ]);
  });

  test("spaces after a closing quotation mark are text after it", () => {
    expect(parse(['a\n"b" ,c\n']).error).toBe(2);
    expect(parse(['a\n"b" \n']).error).toBe(2);
    expect(parse(['a\n"b"\u00a0\n']).error).toBe(2);
    expect(parse(['a\n"b"\r\n']).error).toBeUndefined();
  });

  test("an unclosed quotation mark has its own line", () => {
    expect(parse(['a\n"b\nc","d\ne\n']).error).toBe(3);
  });
});

test("time is linear in the length of a quoted field", () => {
  const field = 'line, ""quoted""\n'.repeat(100_000);
  const text = `"${field}",x\n`;
  const pieces = Array.from({ length: Math.ceil(text.length / 4096) }, (_, i) =>
    text.slice(4096 * i, 4096 * (i + 1)),
  );
  expect(parse(pieces).records[0]?.[1][0]?.length).toBe(field.replaceAll('""', '"').length);
});

test("time is linear in the number of lines without a separator", () => {
  expect(parse(["word\n".repeat(300_000)]).records.length).toBe(300_000);
  expect(parse(['wo"rd\n'.repeat(100_000)]).records.length).toBe(100_000);
});
