/** Backends on instances of WASM modules. Contains no module. */
import { mismatch } from "../../core/checks.ts";
import type { Kernels, KernelVariant } from "../table.ts";
import type { WasmVariant } from "../wasm/emitter.ts";
import { statedBy } from "../wasm/section.ts";
import { addressesIn, type KernelModule } from "./calls.ts";
import { multipliesExactly, WRONG_PRODUCTS } from "./features.ts";
import { createWasmMemory, MAXIMUM_PAGES, type Memory } from "./memory.ts";
import { directScheduler, type Scheduler } from "./scheduler.ts";
import { allocateWorkspace, setWorkspace } from "./threads.ts";

/** Kernels, and the memory on which they work. */
export interface Backend {
  readonly kernels: Kernels;
  readonly memory: Memory;
}

/** The initial size of a memory, in pages. */
export const INITIAL_PAGES = 16;

/** An instance of a module, and the allocator for its memory. */
interface Instance {
  readonly exports: WebAssembly.Exports;
  readonly linear: WebAssembly.Memory;
  readonly memory: Memory;
}

/** Instantiates a module and creates the allocator for its memory. */
export function instantiate(module: WebAssembly.Module, linear: WebAssembly.Memory): Instance {
  const { exports } = new WebAssembly.Instance(module, { env: { memory: linear } });
  const { heapBase } = exports as unknown as { readonly heapBase: WebAssembly.Global };
  const memory = createWasmMemory(linear, heapBase.value);
  setWorkspace(exports, allocateWorkspace(memory));
  return { exports, linear, memory };
}

/** Creates the table of operations for an instantiated module. */
type CreateKernels = (variant: WasmVariant, module: KernelModule) => Kernels;

/** Creates a backend of one thread with a memory of its own. */
export function instanceBackend(
  variant: WasmVariant,
  module: WebAssembly.Module,
  createKernels: CreateKernels,
): Backend {
  const linear = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES });
  const instance = instantiate(module, linear);
  return backendOf(createKernels, variant, instance, directScheduler(instance.exports));
}

/**
 * Creates a backend of one thread from a compiled module that the caller provides.
 *
 * @throws TypeError or RangeError if it is not a module of kernels with the given variant for a memory of one thread,
 *   or if the engine computes its products wrongly
 */
export function createModuleBackend(
  name: string,
  module: object,
  expected: KernelVariant | "auto",
  createKernels: CreateKernels,
): Backend {
  const { variant, contents } = statedBy(name, module);
  if (expected !== "auto" && expected !== variant)
    throw new RangeError(mismatch(name, `kernels of the variant ${expected}`, variant));
  if (variant !== "simd" && multipliesExactly() === false)
    throw new RangeError(
      mismatch(name, "kernels of the variant simd", `${variant} (${WRONG_PRODUCTS})`),
    );
  try {
    return instanceBackend(variant, module as WebAssembly.Module, createKernels);
  } catch (error) {
    if (!(error instanceof WebAssembly.LinkError)) throw error;
    const got = `one of ${contents} kernels that cannot use it: ${error.message}`;
    const message = mismatch(name, "a module for a memory of one thread", got);
    throw new RangeError(message, { cause: error });
  }
}

export function backendOf(
  createKernels: CreateKernels,
  variant: WasmVariant,
  { exports, linear, memory }: Instance,
  scheduler: Scheduler,
): Backend {
  const kernelModule: KernelModule = {
    exports,
    scheduler,
    addressOf: addressesIn(linear),
    holds: (array) => array.buffer === linear.buffer,
    memory,
  };
  const kernels = createKernels(variant, kernelModule);
  modules.set(kernels, kernelModule);
  return Object.freeze({ kernels, memory });
}

const modules = new WeakMap<Kernels, KernelModule>();

/** The WASM module of a backend, or undefined for scalar kernels. */
export function moduleOf({ kernels }: Backend): KernelModule | undefined {
  return modules.get(kernels);
}
