import { describe, expect, test } from "vitest";
import { initialisePruning, pruneOnce } from "../../src/index.ts";
import { HALF_OF_4X1, sineRecord } from "./models.ts";

const OPTIONS = { profile: "strict", excludeHead: false } as const;

describe("shapes", () => {
  test.each([
    ["linear", [16]],
    ["linear", [4, 4, 1]],
    ["linear", []],
    ["conv1d", [4, 4]],
    ["conv2d", [16]],
    ["embedding", [4]],
  ] as const)("%s of shape %j is refused", (kind, shape) => {
    const layer = sineRecord(shape, { kind });
    const once = { pattern: "4x1", targetSparsity: 0.25, excludeHead: false } as const;
    expect(() => pruneOnce([layer], once)).toThrow(/layers\[0\]\.shape: expected \[.*\] for /);
  });

  test("modules of other kinds have any shape or none", () => {
    const layers = [sineRecord([4, 4]), { ...sineRecord([]), name: "b", kind: "other" } as const];
    expect(initialisePruning(HALF_OF_4X1, layers, OPTIONS).pruners[0]?.layers.length).toBe(1);
  });
});
