import fc from "fast-check";
import Papa from "papaparse";
import { expect, test } from "vitest";
import { createCsvParser } from "../../../src/io/rows/csv.ts";
import { csvRecord } from "../../../src/io/rows/csv-record.ts";

test.each([
  [["a", "b c"], "a,b c\n"],
  [["a,b", 'say "x"', "two\nlines", "\r"], '"a,b","say ""x""","two\nlines","\r"\n'],
  [["", ""], ",\n"],
  [[""], '""\n'],
  [["  "], '"  "\n'],
])("%j", (fields, record) => {
  expect(csvRecord(fields)).toBe(record);
});

const field = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom('"', ",", "\n", "\r", " ", "\t", "a", "é") }),
);
const records = fc.integer({ min: 1, max: 4 }).chain((width) =>
  fc.array(fc.array(field, { minLength: width, maxLength: width }), {
    minLength: 1,
    maxLength: 5,
  }),
);

test("records are read back, by the reader of rows and by Papa Parse", () => {
  fc.assert(
    fc.property(records, (rows) => {
      const text = rows.map(csvRecord).join("");
      const read: string[][] = [];
      const parser = createCsvParser("a.csv", ",");
      parser.push(text, (_, fields) => read.push([...fields]));
      parser.end((_, fields) => read.push([...fields]));
      expect(read).toEqual(rows);
      expect(Papa.parse(text, { delimiter: ",", newline: "\n" }).data.slice(0, -1)).toEqual(rows);
    }),
  );
});
