import { describe, expect, test } from "vitest";
import {
  initialisePruning,
  type LayerRecord,
  parsePruningConfigOrThrow,
  pruneOnce,
} from "../../src/index.ts";

function record(shape: readonly number[], more: Partial<LayerRecord> = {}): LayerRecord {
  const length = shape.reduce((product, extent) => product * extent, 1);
  const data = Float32Array.from({ length }, (_, i) => Math.sin(i + 1));
  return { name: "a", kind: "linear", shape, data, ...more };
}

const CONFIG = parsePruningConfigOrThrow({
  pattern: "4x1",
  pruning_type: "magnitude",
  target_sparsity: 0.5,
});
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
    const layer = record(shape, { kind });
    const once = { pattern: "4x1", targetSparsity: 0.25, excludeHead: false } as const;
    expect(() => pruneOnce([layer], once)).toThrow(/layers\[0\]\.shape: expected \[.*\] for /);
  });

  test("modules of other kinds have any shape or none", () => {
    const layers = [record([4, 4]), { ...record([]), name: "b", kind: "other" } as const];
    expect(initialisePruning(CONFIG, layers, OPTIONS).pruners[0]?.layers.length).toBe(1);
  });
});
