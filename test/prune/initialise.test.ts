import { describe, expect, test } from "vitest";
import {
  initialisePruning,
  type LayerRecord,
  parsePruningConfig,
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
const _OPTIONS = { profile: "strict", excludeHead: false } as const;

describe("names", () => {
  test("a profile that is none is refused everywhere", () => {
    const options = { profile: "Strict" as never };
    const wanted = /profile: expected one of inc, strict, got "Strict"/;
    expect(() => initialisePruning(CONFIG, [record([4, 4])], options)).toThrow(wanted);
    expect(() => parsePruningConfig({}, options)).toThrow(wanted);
    const once = { pattern: "4x1", targetSparsity: 0.5, ...options };
    expect(() => pruneOnce([record([4, 4])], once)).toThrow(wanted);
  });

  test("a configuration that is not parsed, or still an Either, is refused with advice", () => {
    for (const config of [{ pattern: "4x1" }, parsePruningConfig({})])
      expect(() => initialisePruning(config as never, [record([4, 4])])).toThrow(
        /config: expected one from parsePruningConfig/,
      );
  });
});
