import { execFileSync } from "node:child_process";
import { afterEach, describe, expect, it, vi } from "vitest";
import { buildModule } from "../../../src/kernels/wasm/module.ts";
import { VARIANT_NAMES } from "../subjects.ts";

/** The modules afresh: the result of the probe is remembered. */
async function fresh() {
  vi.resetModules();
  return {
    ...(await import("../../../src/kernels/simd/features.ts")),
    ...(await import("../../../src/kernels/backend.ts")),
  };
}

const real = globalThis.WebAssembly;

function stubWebAssembly(parts: object): void {
  vi.stubGlobal("WebAssembly", Object.create(real, Object.getOwnPropertyDescriptors(parts)));
}

/** Constructs instances whose relaxed dot products are wrong. */
function WrongInstance(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
  const instance = new real.Instance(module, imports);
  return "dotProbe" in instance.exports ? { exports: { dotProbe: () => 0 } } : instance;
}

afterEach(() => vi.unstubAllGlobals());

describe("the fastest variant", () => {
  it("is the first that a backend chooses", async () => {
    const { availableVariants, fastestVariant } = await fresh();
    expect(fastestVariant()).toBe(availableVariants()[0]);
  });

  it("is simd if relaxed dot products are wrong", async () => {
    stubWebAssembly({ Instance: WrongInstance });
    const { availableVariants, createBackend, fastestVariant, multipliesExactly } = await fresh();
    expect(fastestVariant()).toBe("simd");
    expect(availableVariants()).toEqual(["simd", "scalar"]);
    const hasRelaxed = VARIANT_NAMES.includes("fma");
    expect(multipliesExactly()).toBe(hasRelaxed ? false : undefined);
    const load = () => createBackend({ module: new real.Module(buildModule("fma").slice()) });
    expect(load).toThrow(
      hasRelaxed
        ? /^module: expected kernels of the variant simd, got fma \(the engine's relaxed dot/
        : real.CompileError,
    );
  });

  it("is simd if compiling is forbidden, and undefined without WASM", async () => {
    stubWebAssembly({
      Module: () => {
        throw new real.CompileError("blocked by Content Security Policy");
      },
    });
    expect((await fresh()).fastestVariant()).toBe("simd");
    vi.stubGlobal("WebAssembly", undefined);
    expect((await fresh()).fastestVariant()).toBeUndefined();
    stubWebAssembly({ Module: undefined, validate: () => false });
    expect((await fresh()).fastestVariant()).toBeUndefined();
  });

  it("is not fma with the baseline compiler of Node 20", () => {
    const isOld = Number.parseInt(process.versions.node, 10) < 22;
    const features = new URL("../../../src/kernels/simd/features.ts", import.meta.url).href;
    const program = `const { fastestVariant } = await import("${features}");
      process.stdout.write(fastestVariant());`;
    const flags = isOld ? ["--experimental-wasm-relaxed-simd"] : [];
    const command = [...flags, "--import", "tsx", "--input-type=module", "--eval", program];
    const found = execFileSync(process.execPath, command, { encoding: "utf8" });
    expect(found).toBe(isOld ? "simd" : "fma");
  });
});
