import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replaySchedules } from "../../src/conform/model-schedule.ts";

const ROOT = process.env.ESPALIER_GOLDEN ?? join(import.meta.dirname, "../golden");
const json = readFileSync(join(ROOT, "model", "lr_schedule.json"), "utf8");

test("schedules pass, row by row", () => {
  const verdicts = replaySchedules("lr_schedule.json", json);
  expect(verdicts.length).toBe(JSON.parse(json).length);
  expect(verdicts.filter(({ passed }) => !passed)).toEqual([]);
});

test("the schedules of a later transformers pass, with their options", () => {
  const path = join(import.meta.dirname, "../vectors/encoders/lr_schedules.json");
  const verdicts = replaySchedules("lr_schedules.json", readFileSync(path, "utf8"));
  expect(verdicts.length).toBe(126);
  expect(verdicts.filter(({ passed }) => !passed)).toEqual([]);
});

test("an unknown option fails its row", () => {
  const [row] = JSON.parse(json);
  const [verdict] = replaySchedules("s", JSON.stringify([{ ...row, options: { pace: 1 } }]));
  expect(verdict?.detail).toContain("options: expected known names, got pace");
});

test("an altered rate fails its row alone", () => {
  const rows = JSON.parse(json);
  rows[1].lr_at_step[5] *= 1.0001;
  const failed = replaySchedules("s", JSON.stringify(rows)).filter(({ passed }) => !passed);
  expect(failed.map(({ name }) => name)).toEqual(["s:2"]);
  expect(failed[0]?.detail).toContain("linear learning rate[5]");
});

test("an unknown schedule fails, and a file that is not a list is refused", () => {
  const [row] = JSON.parse(json);
  const [verdict] = replaySchedules("s", JSON.stringify([{ ...row, name: "square" }]));
  expect(verdict?.detail).toContain("name: expected a known schedule, got square");
  expect(() => replaySchedules("s", "{}")).toThrow("s: expected a list of objects");
});
