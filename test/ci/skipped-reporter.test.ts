import { expect, test } from "vitest";
import { needing } from "../needs.ts";
import { describeSkipped } from "../skipped-reporter.ts";

test("a run without skipped tests has no line", () => {
  expect(describeSkipped([])).toBeUndefined();
});

test("skipped tests are counted by what they need", () => {
  const names = [
    `${needing("python3 with numpy", "the runner")} > one`,
    `${needing("python3 with numpy", "the runner")} > two`,
    needing("shared data", "glue"),
    "another",
  ];
  expect(describeSkipped(names)).toBe(
    "Skipped tests: 4 (1 need shared data, 1 state no reason, 2 need python3 with numpy)",
  );
});
