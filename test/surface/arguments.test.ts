/** Calls the functions of the built package with hostile arguments, in another process, which may hang or crash. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { PROJECT_ROOT, requireBuild } from "../packaging/distribution.ts";

beforeAll(requireBuild);

/** Entries whose functions let no error of the engine escape, and the least number of their functions. */
const ENTRIES = [
  ["index", 20],
  ["io", 21],
  ["sparse", 13],
  ["checkpoint", 14],
  ["calibrate", 4],
  ["classifier", 3],
  ["nn", 61],
  ["worker", 1],
  ["node", 17],
  ["reference", 15],
] as const;

describe.each(ENTRIES)("the functions of %s", (entry, least) => {
  test("give a result or name the parameter, whatever the argument", () => {
    const script = join(PROJECT_ROOT, "scripts/argument-errors.ts");
    const command = ["--import", "tsx", script, "--only", `^${entry}:`];
    const options = { cwd: PROJECT_ROOT, encoding: "utf8", timeout: 240_000 } as const;
    const { stdout, stderr, status } = spawnSync(process.execPath, command, options);
    const [, functions = 0, calls = 0] =
      /(\d+) functions, (\d+) calls, 0 raw errors\n$/.exec(stdout) ?? [];
    expect({ stdout: stdout.slice(-2000), stderr: stderr.slice(-2000), status }).toMatchObject({
      stderr: "",
      status: 0,
    });
    expect(stdout).not.toContain("valid call of");
    expect(Number(functions)).toBeGreaterThanOrEqual(least);
    expect(Number(calls)).toBeGreaterThanOrEqual(70 * least);
  }, 300_000);
});
