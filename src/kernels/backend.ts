/**
 * Creates backends: kernels of a variant that the engine and the page's content security policy allow, and their
 * memory.
 */
import { checkFunction, checkInteger, checkOneOf, checkOptions } from "../core/checks.ts";
import { scalarKernels } from "./scalar/kernels.ts";
import { bytesOf, multipliesExactly, WRONG_PRODUCTS } from "./simd/features.ts";
import {
  type Backend,
  backendOf,
  createModuleBackend,
  INITIAL_PAGES,
  instanceBackend,
  instantiate,
} from "./simd/instance.ts";
import { simdKernels } from "./simd/kernels.ts";
import { createPlainMemory, MAXIMUM_PAGES } from "./simd/memory.ts";
import { type StartThread, startPool } from "./simd/threads.ts";
import type { KernelVariant } from "./table.ts";
import type { WasmVariant } from "./wasm/emitter.ts";
import { MODULES, SHARING_FLAG } from "./wasm/modules.generated.ts";

export type { Backend };

/** Options for {@link createBackend}. */
export interface BackendOptions {
  /**
   * The kernel variant; `auto` is the fastest that the engine and the page's content security policy allow. Default
   * `auto`.
   */
  readonly variant?: KernelVariant | "auto";
  /**
   * A compiled `WebAssembly.Module` of kernels, such as the file `espalier/kernels/simd.wasm`, for platforms that forbid
   * compiling. Its variant is used. The kernels of a module for inference that are missing throw a RangeError. That
   * type needs the DOM library, so this public declaration cannot name it.
   */
  readonly module?: object;
}

/** Options for {@link createThreadedBackend}. */
export interface ThreadedBackendOptions extends Pick<BackendOptions, "variant"> {
  /** The number of threads, including the calling thread. */
  readonly threads: number;
  readonly startThread: StartThread;
}

/** A backend whose kernels run on several threads. */
export interface ThreadedBackend extends Backend {
  /** The number of threads, including the calling thread; 1 if memory cannot be shared. */
  readonly threads: number;
  /** Stops the other threads. The backend must not be used afterwards. */
  stop(): void;
}

/**
 * The variants that `auto` tries, fastest first. `revectorized` is not among them, because it needs a flag of V8 that a
 * module cannot detect.
 */
const VARIANTS: readonly KernelVariant[] = ["fma", "simd", "scalar"];

/**
 * The maximum sizes to try for a shared memory, in pages. An engine may reserve the whole maximum in advance, which can
 * fail.
 */
const SHARED_PAGES = [MAXIMUM_PAGES, 32768, 16384, 4096];
export const MOST_THREADS = 256;

/**
 * Creates a backend. `auto` tries `fma`, then `simd`, then `scalar`, which runs without WASM.
 *
 * @throws RangeError if the variant is not available, if the module does not contain kernels or if it has another
 *   variant; TypeError for a value of another type
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
  checkOptions("options", options, ["variant", "module"]);
  const { module } = options;
  if (module !== undefined)
    return createModuleBackend("module", module, givenVariant(options), simdKernels);
  const variant = variantOf(options);
  if (variant === "scalar")
    return Object.freeze({ kernels: scalarKernels, memory: createPlainMemory() });
  return instanceBackend(variant, compile(variant, "own"), simdKernels);
}

/**
 * Creates a backend whose kernels run on several threads; see {@link startWebThread}. Results have the same bytes for
 * any number of threads. The backend has one thread if memory cannot be shared: with scalar kernels, or in a page that
 * is not cross-origin isolated.
 *
 * @throws RangeError if the variant is not available or `threads` is out of range; the error if `startThread` rejects
 */
export async function createThreadedBackend(
  options: ThreadedBackendOptions,
): Promise<ThreadedBackend> {
  checkOptions("options", options, ["variant", "threads", "startThread"]);
  const { threads, startThread } = options;
  checkInteger("threads", threads, 1, MOST_THREADS);
  checkFunction("startThread", startThread);
  const variant = variantOf(options);
  const linear = variant === "scalar" || threads === 1 ? undefined : sharedMemory();
  if (variant === "scalar" || linear === undefined)
    return Object.freeze({ ...createBackend({ variant }), threads: 1, stop: () => undefined });
  const module = compile(variant, "shared");
  const instance = instantiate(module, linear);
  const { exports, memory } = instance;
  const pool = await startPool({ module, memory: linear }, exports, memory, threads, startThread);
  const backend = backendOf(simdKernels, variant, instance, pool.scheduler);
  return Object.freeze({ ...backend, threads, stop: pool.stop });
}

/** The variants among which `auto` can choose here, fastest first. */
export function availableVariants(): readonly KernelVariant[] {
  return VARIANTS.filter(isAvailable);
}

function givenVariant({ variant = "auto" }: BackendOptions): KernelVariant | "auto" {
  checkOneOf("variant", variant, ["auto", "revectorized", ...VARIANTS]);
  return variant;
}

function variantOf(options: BackendOptions): KernelVariant {
  const variant = givenVariant(options);
  return variant === "auto" ? (VARIANTS.find(isAvailable) ?? "scalar") : variant;
}

function isAvailable(variant: KernelVariant): boolean {
  if (variant === "scalar") return true;
  try {
    compile(variant, "own");
    return true;
  } catch {
    return false;
  }
}

const compiled = new Map<string, WebAssembly.Module>();

/**
 * Compiles the module of a variant, or returns it if it was compiled before.
 * @throws RangeError with the reason if the variant is not available
 */
function compile(variant: WasmVariant, sharing: "own" | "shared"): WebAssembly.Module {
  const key = `${variant} ${sharing}`;
  const known = compiled.get(key);
  if (known !== undefined) return known;
  if (typeof WebAssembly === "undefined") throw unavailable(variant, "the engine has no WASM");
  const bytes = bytesOf(MODULES[variant]);
  if (sharing === "shared") bytes[SHARING_FLAG.offsets[variant]] = SHARING_FLAG.shared;
  const feature = variant === "simd" ? "WASM SIMD" : "relaxed SIMD";
  if (!WebAssembly.validate(bytes)) throw unavailable(variant, `the engine has no ${feature}`);
  try {
    const module = new WebAssembly.Module(bytes);
    if (variant === "simd" || multipliesExactly()) {
      compiled.set(key, module);
      return module;
    }
  } catch (cause) {
    throw unavailable(variant, `compiling it is refused: ${String(cause)}`, cause);
  }
  throw unavailable(variant, WRONG_PRODUCTS);
}

function unavailable(variant: WasmVariant, reason: string, cause?: unknown): RangeError {
  const message = `variant: expected one that is available here, got "${variant}" (${reason})`;
  return new RangeError(message, { cause });
}

/** Creates a shared memory with the largest possible maximum size. Returns undefined if memory cannot be shared. */
function sharedMemory(): WebAssembly.Memory | undefined {
  if (typeof SharedArrayBuffer === "undefined") return undefined;
  for (const maximum of SHARED_PAGES) {
    try {
      return new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared: true });
    } catch {
      // A smaller maximum may succeed.
    }
  }
  return undefined;
}
