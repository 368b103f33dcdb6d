import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PRUNING_TABLE_NAMES, replayPruningTable } from "../../src/conform/pruning-tables.ts";

const root = process.env.ESPALIER_GOLDEN ?? join(import.meta.dirname, "../golden");
const tablesAt = join(root, "pruning_tables");

function readTable(name: string): string {
  return readFileSync(join(tablesAt, `${name}.json`), "utf8");
}

/** What is said of the rows that fail. */
function failures(name: string, json: string): string[] {
  return replayPruningTable(name, json)
    .filter(({ passed }) => !passed)
    .map((verdict) => `${verdict.name}: ${verdict.detail}`);
}

test("all table rows pass", () => {
  const tables = readdirSync(tablesAt).map((file) => file.replace(/\.json$/, ""));
  expect(tables.sort()).toEqual([...PRUNING_TABLE_NAMES].sort());
  expect(tables.flatMap((name) => failures(name, readTable(name)))).toEqual([]);
});

test("an altered table row fails", () => {
  const json = readTable("schedule");
  const altered = json.replace(
    '"values":[0.0,0.05131670194948623',
    '"values":[0.0,0.05131670194948624',
  );
  expect(altered).not.toBe(json);
  expect(failures("schedule", altered)).toEqual([
    expect.stringMatching(/^schedule\/iterative\[8\]: target ratio\[1\]: expected/),
  ]);
});

test("a row of a table that is not known, and a table that cannot be read, have failed", () => {
  expect(failures("other", "[{}]")).toEqual([
    "other/rows[0]: check: expected one for this table, got none",
  ]);
  expect(failures("schedule", "{")).toHaveLength(1);
  expect(failures("config_defaults", "[7]")).toEqual([
    "config_defaults/rows[0]: row: expected an object, got number",
  ]);
});
