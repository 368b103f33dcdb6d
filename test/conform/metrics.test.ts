import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replayMetrics } from "../../src/conform/metrics.ts";

const json = readFileSync(join(import.meta.dirname, "../vectors/encoders/metrics.json"), "utf8");

test("metrics pass, row by row", () => {
  const verdicts = replayMetrics("metrics.json", json);
  expect(verdicts.length).toBe(60);
  expect(verdicts.filter(({ passed }) => !passed)).toEqual([]);
});

test("an altered metric fails its row alone", () => {
  const rows = JSON.parse(json);
  rows[4].f1.macro += 1e-11;
  rows[9].confusion_matrix[1][2] = 0;
  const failed = replayMetrics("m", JSON.stringify(rows)).filter(({ passed }) => !passed);
  expect(failed.map(({ name }) => name)).toEqual(["m:5", "m:10"]);
  expect(failed[0]?.detail).toContain("f1.macro: expected 0.428");
  expect(failed[1]?.detail).toContain("confusion_matrix[1][2]: expected 0");
});

test("rows of no known form fail, and a file that is not a list is refused", () => {
  const rows = [{ kind: "square" }, { kind: "roc_auc", labels: [0, 1] }];
  const details = replayMetrics("m", JSON.stringify(rows)).map(({ detail }) => detail);
  expect(details[0]).toContain("kind: expected a known kind, got square");
  expect(details[1]).toContain("scores: expected a list of numbers");
  expect(() => replayMetrics("m", "{}")).toThrow("m: expected a list of objects");
});
