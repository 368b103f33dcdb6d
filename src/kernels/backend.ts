/** Chooses the kernels that the engine and the page's policy allow, and gives them a memory. */
import { checkOneOf } from "../core/checks.ts";
import { addressesIn, type KernelModule } from "./kernel-module.ts";
import { createPlainMemory, createWasmMemory, type Memory } from "./memory.ts";
import { scalarKernels } from "./scalar.ts";
import { simdKernels } from "./simd.ts";
import type { Kernels, KernelVariant } from "./table.ts";
import type { WasmVariant } from "./wasm/emitter.ts";
import { MODULES } from "./wasm/modules.generated.ts";

/** Kernels with the memory that they work on. Everything that computes takes one. */
export interface Backend {
  readonly kernels: Kernels;
  readonly memory: Memory;
}

/** What to run on: `auto` takes the fastest variant that the engine and the page's policy allow. */
export interface BackendOptions {
  readonly variant?: KernelVariant | "auto";
}

/** Every variant, the fastest first. */
const VARIANTS: readonly KernelVariant[] = ["fma", "simd", "scalar"];

/** What an engine must have for each WASM variant. */
const FEATURES: Readonly<Record<WasmVariant, string>> = {
  fma: "relaxed SIMD",
  simd: "WASM SIMD",
};

const INITIAL_PAGES = 16;

/**
 * Makes a backend with a memory of its own. `auto` tries relaxed SIMD with fused multiply-add, then SIMD, then
 * falls back to scalar loops, as where the engine has no WASM or a content-security policy forbids it.
 *
 * @throws RangeError when the variant asked for is not available here.
 * @throws TypeError when `variant` is not a string.
 *
 * @example
 * ```ts
 * import { createBackend } from "espalier/nn";
 *
 * const { kernels, memory } = createBackend();
 * const x = memory.allocate(3);
 * memory.float32(x).set([1, 2, 3]);
 * kernels.scale(memory.float32(x), 2, memory.float32(x));
 * if (memory.float32(x).join() !== "2,4,6") throw new Error("expected twice the numbers");
 * ```
 */
export function createBackend(options: BackendOptions = {}): Backend {
  const variant = options.variant ?? "auto";
  checkOneOf("variant", variant, ["auto", ...VARIANTS]);
  if (variant === "auto") return createBackend({ variant: VARIANTS.find(isAvailable) ?? "scalar" });
  if (variant === "scalar") return scalarBackend();
  return wasmBackend(variant, compile(variant));
}

/** The variants that {@link createBackend} can make here, the fastest first; `scalar` always. */
export function availableVariants(): readonly KernelVariant[] {
  return VARIANTS.filter(isAvailable);
}

function isAvailable(variant: KernelVariant): boolean {
  if (variant === "scalar") return true;
  try {
    compile(variant);
    return true;
  } catch {
    return false;
  }
}

const compiled = new Map<WasmVariant, WebAssembly.Module>();

/** The compiled module of a variant; throws a RangeError that says why there is none. */
function compile(variant: WasmVariant): WebAssembly.Module {
  const known = compiled.get(variant);
  if (known !== undefined) return known;
  if (typeof WebAssembly === "undefined") throw unavailable(variant, "the engine has no WASM");
  const bytes = Uint8Array.from(atob(MODULES[variant]), (character) => character.charCodeAt(0));
  if (!WebAssembly.validate(bytes))
    throw unavailable(variant, `the engine has no ${FEATURES[variant]}`);
  try {
    const module = new WebAssembly.Module(bytes);
    compiled.set(variant, module);
    return module;
  } catch (cause) {
    throw unavailable(variant, `compiling it is refused: ${String(cause)}`, cause);
  }
}

function unavailable(variant: WasmVariant, reason: string, cause?: unknown): RangeError {
  const message = `variant: expected one that is available here, got "${variant}" (${reason})`;
  return new RangeError(message, { cause });
}

function wasmBackend(variant: WasmVariant, module: WebAssembly.Module): Backend {
  const linear = new WebAssembly.Memory({ initial: INITIAL_PAGES });
  const { exports } = new WebAssembly.Instance(module, { env: { memory: linear } });
  const { heapBase } = exports as unknown as { readonly heapBase: WebAssembly.Global };
  const memory = createWasmMemory(linear, heapBase.value);
  const kernelModule = {
    exports,
    addressOf: addressesIn(linear),
    holds: (array: ArrayBufferView) => array.buffer === linear.buffer,
    memory,
  };
  const kernels = simdKernels(variant, kernelModule);
  const backend = Object.freeze({ kernels, memory });
  modules.set(backend, kernelModule);
  return backend;
}

const modules = new WeakMap<Backend, KernelModule>();

/** The module behind a backend of {@link createBackend}; undefined for scalar loops, which have none. */
export function moduleOf(backend: Backend): KernelModule | undefined {
  return modules.get(backend);
}

function scalarBackend(): Backend {
  return Object.freeze({ kernels: scalarKernels, memory: createPlainMemory() });
}
