import { describe, expect, test } from "vitest";
import { initialisePruning, parsePruningConfig, pruneOnce } from "../../src/index.ts";
import { HALF_OF_4X1, sineRecord } from "./models.ts";

describe("names", () => {
  test("an unknown profile is refused everywhere", () => {
    const options = { profile: "Strict" as never };
    const wanted = /profile: expected one of inc, strict, got "Strict"/;
    expect(() => initialisePruning(HALF_OF_4X1, [sineRecord([4, 4])], options)).toThrow(wanted);
    expect(() => parsePruningConfig({}, options)).toThrow(wanted);
    const once = { pattern: "4x1", targetSparsity: 0.5, ...options };
    expect(() => pruneOnce([sineRecord([4, 4])], once)).toThrow(wanted);
  });

  test("a configuration that is not parsed, or still an Either, is refused with advice", () => {
    for (const config of [{ pattern: "4x1" }, parsePruningConfig({})])
      expect(() => initialisePruning(config as never, [sineRecord([4, 4])])).toThrow(
        /config: expected one from parsePruningConfig/,
      );
  });
});
