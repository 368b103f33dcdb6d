import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replayRowFiles } from "../../src/conform/rows.ts";
import { decompressed } from "../../src/node/row-files.ts";

const CASES = join(import.meta.dirname, "../vectors/rows");
const slugs = readdirSync(CASES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/** Replays a case after a change of its case.json. */
function replay(slug: string, change: (json: string) => string = (json) => json) {
  const names = readdirSync(join(CASES, slug)).filter((name) => name !== "case.json");
  const data = new Map(
    names.map((name) => [name, decompressed(readFileSync(join(CASES, slug, name)))]),
  );
  const json = change(readFileSync(join(CASES, slug, "case.json"), "utf8"));
  return replayRowFiles({ name: slug, json, tensors: new Uint8Array(0), data });
}

test("every case passes", () => {
  expect(slugs.length).toBe(72);
  expect(slugs.map((slug) => replay(slug)).filter(({ passed }) => !passed)).toEqual([]);
});

test.each([
  ["csv-basic", '"the soup was warm", null, 1', '"the soup was warm", null, 0', "rows[0][2]"],
  ["csv-basic", '"label_names": ["0", "1"]', '"label_names": ["1", "0"]', "label_names[0]"],
  ["csv-basic", '"text": "text"', '"text": "texts"', "columns.text: expected texts, got text"],
  ["csv-ragged", '"lines": [5, 7]', '"lines": [5, 8]', "error lines[1]: expected 8, got 7"],
  ["csv-ragged", '"kind": "fields"', '"kind": "quote"', "error kind: expected quote, got fields"],
  ["csv-ragged", '"error"', '"expected"', "result: expected rows"],
  ["csv-ragged-skip", '"skipped_lines": [5, 7]', '"skipped_lines": [5]', "skipped_lines length"],
  ["csv-basic", '"expected"', '"error"', "result: expected an error, got 3 rows"],
  ["validation-overlap", '"overlap": 2', '"overlap": 1', "overlap: expected 1, got 2"],
  ["validation-split", '"b": 3', '"b": 2', "split.train.b: expected 2, got 3"],
  ["test-without-labels", '"d", null, null', '"e", null, null', "test_rows[0][0]"],
])("%s fails if %s is %s", (slug, from, to, detail) => {
  const verdict = replay(slug, (json) => json.replace(from, to));
  expect(verdict.passed).toBe(false);
  expect(verdict.detail).toContain(detail);
});

test("a case without its training file fails", () => {
  const json = '{"options": {}, "expected": {}}';
  const verdict = replayRowFiles({ name: "x", json, tensors: new Uint8Array(0) });
  expect(verdict.detail).toContain("files: expected a training file");
});
