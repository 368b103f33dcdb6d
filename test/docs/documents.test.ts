/** Links of the documents lead somewhere, and the long ones stay short. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { linksOf } from "./snippets.ts";

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "test/golden/README.md",
  ...readdirSync(join(PROJECT_ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

function read(path: string): string {
  return readFileSync(join(PROJECT_ROOT, path), "utf8");
}

describe.each(documents)("%s", (document) => {
  test("links only files that exist", () => {
    const folder = dirname(join(PROJECT_ROOT, document));
    const broken = linksOf(read(document)).filter((link) => !existsSync(join(folder, link)));
    expect(broken).toEqual([]);
  });
});

test.each([
  ["README.md", 1000],
  ["docs/performance.md", 2000],
])("%s has at most %i words", (document, most) => {
  expect(read(document).split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(most);
});

test("results of benchmarks are tables", () => {
  const folder = join(PROJECT_ROOT, "bench", "results");
  for (const name of readdirSync(folder)) {
    const { about, columns, rows } = JSON.parse(readFileSync(join(folder, name), "utf8"));
    expect([name, typeof about]).toEqual([name, "string"]);
    for (const row of rows) expect([name, row]).toEqual([name, row.slice(0, columns.length)]);
  }
});
