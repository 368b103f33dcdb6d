import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../cli/fixtures.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

const SCRIPT = join(PROJECT_ROOT, ".ci", "count-tests.mjs");

/** What the script prints for a report with tests of these names and states. */
function count(tests: Readonly<Record<string, string>>): { out: string; err: string } {
  const states = Object.values(tests);
  const path = join(temporaryDirectory(), "report.json");
  const report = {
    numPassedTests: states.filter((status) => status === "passed").length,
    numFailedTests: states.filter((status) => status === "failed").length,
    testResults: Object.entries(tests).map(([fullName, status]) => ({
      assertionResults: [{ fullName, status }],
    })),
  };
  writeFileSync(path, JSON.stringify(report));
  const { stdout, stderr } = spawnSync(process.execPath, [SCRIPT, path], { encoding: "utf8" });
  return { out: stdout.trim(), err: stderr };
}

test("passed and failed tests are counted", () => {
  expect(count({ a: "passed", b: "passed", c: "failed" })).toEqual({ out: "2 1", err: "" });
});

test("a skipped test fails, unless it needs shared data", () => {
  const { out, err } = count({
    a: "passed",
    "rows [needs shared data] one": "skipped",
    "runner [needs python3 with numpy] two": "skipped",
    three: "pending",
  });
  expect(out).toBe("1 2");
  expect(err).toContain("skipped: runner [needs python3 with numpy] two\n");
  expect(err).toContain("skipped: three\n");
  expect(err).toContain("skipped tests: 3, not allowed: 2\n");
});

test("a report that is missing counts nothing", () => {
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT, "/none"], { encoding: "utf8" });
  expect(status).not.toBe(0);
  expect(stdout).toBe("");
});
