/** docs/architecture.md lists the folders and entries of src/ as they are. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SOURCE_ROOT } from "../architecture/import-graph.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

const text = readFileSync(join(PROJECT_ROOT, "docs", "architecture.md"), "utf8");
const entries = readdirSync(SOURCE_ROOT, { withFileTypes: true });

test("every folder of src/ has a row, and no other has", () => {
  const rows = [...text.matchAll(/^\| `(\w+)\/` +\|/gm)].map(([, name]) => name);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(rows.sort()).toEqual(folders.sort());
});

test("every entry has a row, and no other has", () => {
  const rows = [...text.matchAll(/^\| `espalier[^`]*` +\| `([\w.]+)` +\|/gm)].map(
    ([, name]) => name,
  );
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  expect(rows.sort()).toEqual(files.sort());
});

test("files named in the text exist", () => {
  const named = [...text.matchAll(/`((?:autograd|core|kernels|train|prune)\/[\w/-]+\.ts)`/g)].map(
    ([, path]) => path ?? "",
  );
  const files = new Set(readdirSync(SOURCE_ROOT, { recursive: true, encoding: "utf8" }));
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((path) => !files.has(path))).toEqual([]);
});
