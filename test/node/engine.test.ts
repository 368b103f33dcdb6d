import { describe, expect, it, vi } from "vitest";
import { chooseVariant, type Engine, engineFlags, turnOnFlagsOf } from "../../src/node/engine.ts";
import { espalier } from "../cli/fixtures.ts";

/** The flags of Node 20 for relaxed SIMD. */
const RELAXED = ["--experimental-wasm-relaxed-simd", "--no-liftoff"];
const REVECTORIZE = "--experimental-wasm-revectorize";

/** An engine on which the given variants pass; the first is unknown to old ones. */
function engine(passing: readonly string[], isNew = true) {
  const turnOn = vi.fn();
  const test = vi.fn((variant: string) => Promise.resolve(passing.includes(variant)));
  const flagsOf: Engine["flagsOf"] = (variant) =>
    engineFlags(isNew ? "24.1.0" : "20.9.0", variant, "x64");
  return { turnOn, test, flagsOf };
}

describe("the engine's flags", () => {
  it("are those of its version", () => {
    expect(engineFlags("20.20.2", "fma")).toEqual(RELAXED);
    expect(engineFlags("22.0.0", "fma")).toEqual([]);
    expect(engineFlags("22.0.0", "revectorized")).toBeUndefined();
    expect(engineFlags("24.0.0", "revectorized", "x64")).toEqual([REVECTORIZE]);
    expect(engineFlags("24.0.0", "revectorized", "arm64")).toBeUndefined();
  });

  it("are turned on for the fastest variant that passes its test", async () => {
    const all = engine(["revectorized", "fma"]);
    expect((await chooseVariant("auto", all)).variant).toBe("revectorized");
    expect(all.turnOn).toHaveBeenCalledExactlyOnceWith([REVECTORIZE]);

    const one = engine(["fma"]);
    const chosen = await chooseVariant("auto", one);
    expect(chosen.variant).toBe("fma");
    expect(one.turnOn).toHaveBeenCalledExactlyOnceWith([]);
    expect(chosen.notes).toEqual([
      `kernels: revectorized (${REVECTORIZE}) failed its self-test`,
      "kernels: fma (no flag needed) passed its self-test",
    ]);

    const old = engine(["revectorized", "fma"], false);
    expect((await chooseVariant("auto", old)).variant).toBe("fma");
    expect(old.turnOn).toHaveBeenCalledExactlyOnceWith(RELAXED);
  });

  it("stay as they are if nothing passes, needs one, or may be turned on", async () => {
    const none = engine([]);
    const { variant, failures } = await chooseVariant("auto", none);
    expect(variant).toBe("simd");
    expect(failures).toHaveLength(2);
    await expect(chooseVariant("fma", none)).rejects.toThrow(
      /^`variant`: expected kernels that pass their self-test here, got fma/,
    );
    expect((await chooseVariant("simd", none)).variant).toBe("simd");
    expect((await chooseVariant("fma", null)).variant).toBe("fma");
    expect((await chooseVariant("auto", null)).variant).toBe("auto");
    expect(none.turnOn).not.toHaveBeenCalled();
  });
});

describe("flags without a test", () => {
  it("are turned on for the variant that is named", () => {
    const old = engine([], false);
    for (const name of [undefined, "auto", "simd", "scalar"])
      expect(turnOnFlagsOf(name, old)).toBe(true);
    expect(turnOnFlagsOf("revectorized", old)).toBe(false);
    expect(turnOnFlagsOf("fma", null)).toBe(false);
    expect(old.turnOn).not.toHaveBeenCalled();
    expect(turnOnFlagsOf("fma", old)).toBe(true);
    expect(old.turnOn).toHaveBeenCalledExactlyOnceWith(RELAXED);
    expect(old.test).not.toHaveBeenCalled();
  });
});

describe("espalier self-test", () => {
  it("passes for what runs here, and says what does not", async () => {
    const { code, out } = await espalier(["self-test"]);
    expect(out).toMatch(/^simd {10}passed: largest difference \d\.\de-\d, at /m);
    expect(out).toMatch(/^scalar {8}passed: largest difference 0\.0e\+0, at loss$/m);
    expect(code).toBe(0);
  });

  it("gives its results as JSON lines", async () => {
    const { code, out } = await espalier(["self-test", "--variant", "simd", "--json"]);
    expect(JSON.parse(out)).toMatchObject({
      kind: "tested",
      variant: "simd",
      result: { passed: true },
    });
    expect(code).toBe(0);
  });

  it("refuses variants that there are not", async () => {
    expect((await espalier(["self-test", "--variant", "avx"])).code).toBe(2);
  });
});
