import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { STRICT_PLANS } from "../../scripts/strict-cases.ts";
import { strictFiles } from "../../scripts/strict-vectors.ts";
import { replayStrict } from "../../src/conform/strict.ts";
import { NAMES, ROOT, readCase } from "./strict-cases.ts";

test("regenerating gives the same bytes", () => {
  const files = strictFiles();
  expect(NAMES).toEqual(STRICT_PLANS.map(({ slug }) => slug).sort());
  for (const [path, bytes] of files)
    expect(Buffer.from(bytes).equals(readFileSync(join(ROOT, path))), path).toBe(true);
  expect(files.size).toBe(2 * NAMES.length);
});

test("one-shot pruning gives the canonical mask of every vector", () => {
  const verdicts = NAMES.map((name) => replayStrict(readCase(name)));
  expect(verdicts.filter(({ status }) => status !== "passed")).toEqual([]);
  expect(verdicts).toHaveLength(NAMES.length);
});
