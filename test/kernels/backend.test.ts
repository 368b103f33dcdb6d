import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { optimizedModule } from "../../scripts/optimize-module.ts";
import type { WasmVariant } from "../../src/kernels/wasm/emitter.ts";
import { buildModule } from "../../src/kernels/wasm/module.ts";
import { MODULES, SHARING_FLAG } from "../../src/kernels/wasm/modules.generated.ts";
import { VARIANTS } from "./subjects.ts";

/** The module afresh: it remembers what it has compiled. */
async function fresh(): Promise<typeof import("../../src/kernels/backend.ts")> {
  vi.resetModules();
  return import("../../src/kernels/backend.ts");
}

const real = globalThis.WebAssembly;

/** WebAssembly with some of its parts replaced. */
function stubWebAssembly(parts: object): void {
  vi.stubGlobal("WebAssembly", Object.create(real, Object.getOwnPropertyDescriptors(parts)));
}

beforeEach(() => vi.unstubAllGlobals());
afterEach(() => vi.unstubAllGlobals());

describe.each(VARIANTS)("the %s backend", (variant, backend) => {
  it("says which variant it is and works on its own memory", () => {
    const { kernels, memory } = backend;
    expect(kernels.variant).toBe(variant);
    const x = memory.allocate(5);
    memory.float32(x).set([1, 2, 3, 4, 5]);
    memory.allocate(1_000_000); // moves the memory
    kernels.scale(memory.float32(x), 2, memory.float32(x));
    expect(Array.from(memory.float32(x))).toEqual([2, 4, 6, 8, 10]);
    expect(Object.isFrozen(backend) && Object.isFrozen(kernels)).toBe(true);
  });
});

describe("choosing a backend", () => {
  it("takes the fastest variant available unless told otherwise", async () => {
    const { availableVariants, createBackend } = await fresh();
    const available = availableVariants();
    expect(createBackend().kernels.variant).toBe(available[0]);
    expect(createBackend({ variant: "auto" }).kernels.variant).toBe(available[0]);
    for (const variant of available)
      expect(createBackend({ variant }).kernels.variant).toBe(variant);
    if (!available.includes("fma"))
      console.warn("SKIPPED: relaxed SIMD is not available here, so the fma variant is not tested");
  });

  it("gives every backend a memory of its own", async () => {
    const { createBackend } = await fresh();
    const [one, two] = [createBackend(), createBackend()];
    const region = one.memory.allocate(1);
    one.memory.float32(region)[0] = 5;
    expect(() => two.memory.free(region)).toThrow(RangeError);
    expect(two.memory.float32(two.memory.allocate(1))[0]).toBe(0);
  });

  it("falls back to scalar where there is no WASM", async () => {
    vi.stubGlobal("WebAssembly", undefined);
    const { availableVariants, createBackend } = await fresh();
    expect(availableVariants()).toEqual(["scalar"]);
    expect(createBackend().kernels.variant).toBe("scalar");
    expect(() => createBackend({ variant: "simd" })).toThrow(
      /got "simd" \(the engine has no WASM\)/,
    );
  });

  it("falls back to scalar where a policy forbids compiling", async () => {
    stubWebAssembly({
      Module: class {
        constructor() {
          throw new real.CompileError("blocked by Content Security Policy");
        }
      },
    });
    const { availableVariants, createBackend } = await fresh();
    expect(availableVariants()).toEqual(["scalar"]);
    expect(createBackend().kernels.variant).toBe("scalar");
    const explicit = () => createBackend({ variant: "simd" });
    expect(explicit).toThrow(RangeError);
    expect(explicit).toThrow(/compiling it is refused: .*blocked by Content Security Policy/);
  });

  it("falls back to plain SIMD where there is no relaxed SIMD", async () => {
    const fused = ["fma", "revectorized"].map(
      (name) => optimizedModule(buildModule(name as WasmVariant)).length,
    );
    stubWebAssembly({
      validate: (bytes: Uint8Array<ArrayBuffer>) =>
        !fused.includes(bytes.length) && real.validate(bytes),
    });
    const { createBackend } = await fresh();
    expect(createBackend().kernels.variant).toBe("simd");
    expect(() => createBackend({ variant: "fma" })).toThrow(
      /^variant: expected one that is available here, got "fma" \(the engine has no relaxed SIMD\)/,
    );
  });

  it("refuses variants that do not exist", async () => {
    const { createBackend } = await fresh();
    expect(() => createBackend({ variant: "avx" as never })).toThrow(
      /^variant: expected one of auto/,
    );
    expect(() => createBackend({ variant: 3 as never })).toThrow(TypeError);
  });
});

describe("a backend of a compiled module", () => {
  const compiled = (...args: Parameters<typeof buildModule>): WebAssembly.Module =>
    new WebAssembly.Module(new Uint8Array(buildModule(...args)));

  it.each(["all", "inference"] as const)("runs its kernels (%s)", async (contents) => {
    const { createBackend } = await fresh();
    const module = compiled("simd", "own", contents);
    const { kernels, memory } = createBackend({ module });
    expect(kernels.variant).toBe("simd");
    const x = memory.float32(memory.allocate(3));
    x.set([-1, 0, 2]);
    kernels.reluForward(x, x);
    expect(Array.from(x)).toEqual([0, 0, 2]);
    expect(createBackend({ module, variant: "simd" }).kernels.variant).toBe("simd");
  });

  it("names a kernel that a module for inference lacks", async () => {
    const { createBackend } = await fresh();
    const { kernels, memory } = createBackend({ module: compiled("simd", "own", "inference") });
    const x = memory.float32(memory.allocate(1));
    expect(() => kernels.scale(x, 2, x)).toThrow(
      /^kernels: expected a module with scale, got one for inference$/,
    );
    expect(() => kernels.sumSquaredDifference(x, x)).toThrow(/with sumSquaredDifference/);
  });

  it("works if compiling is forbidden", async () => {
    const { createBackend } = await fresh();
    const module = compiled("simd");
    stubWebAssembly({
      validate: () => {
        throw new Error("not to be called");
      },
    });
    expect(createBackend({ module }).kernels.variant).toBe("simd");
  });

  it("refuses other values, other modules, other variants and modules for shared memory", async () => {
    const { createBackend } = await fresh();
    const create = (module: unknown, variant?: "fma") =>
      createBackend({ module: module as object, ...(variant && { variant }) });
    expect(() => create(new Uint8Array(8))).toThrow(TypeError);
    expect(() => create(new Uint8Array(8))).toThrow(/^module: expected a WebAssembly.Module/);
    const empty = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    expect(() => create(empty)).toThrow(
      /^module: expected a module of Espalier's kernels, got one without the section/,
    );
    expect(() => create(compiled("simd"), "fma")).toThrow(
      /^module: expected kernels of the variant fma, got simd$/,
    );
    expect(() => create(compiled("simd", "shared"))).toThrow(
      /^module: expected a module for a memory of one thread/,
    );
  });

  it("has the same bytes of results with either contents", async () => {
    const { createBackend } = await fresh();
    const results = (["all", "inference"] as const).map((contents) => {
      const { kernels, memory } = createBackend({ module: compiled("simd", "own", contents) });
      const x = memory.float32(memory.allocate(64));
      for (let i = 0; i < 64; i++) x[i] = Math.fround(Math.sin(i) * 3);
      kernels.geluForward(x, x);
      return Array.from(x);
    });
    expect(results[0]).toEqual(results[1]);
  });
});

describe("the built modules", () => {
  const names = ["simd", "fma", "revectorized"] as const;

  it.each(names)("are what the sources give, to the byte (%s)", (variant) => {
    const bytes = optimizedModule(buildModule(variant));
    expect(optimizedModule(buildModule(variant))).toEqual(bytes);
    expect(Buffer.from(bytes).toString("base64")).toBe(MODULES[variant]);
  });

  it.each(names)("differ in one byte where the memory is shared (%s)", (variant) => {
    const bytes = optimizedModule(buildModule(variant));
    bytes[SHARING_FLAG.offsets[variant]] = SHARING_FLAG.shared;
    expect(bytes).toEqual(optimizedModule(buildModule(variant, "shared")));
  });
});
