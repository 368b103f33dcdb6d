/** Runs the functions of a module on the calling thread or on several threads. */
import type { GroupKernels } from "../table.ts";

/** A function of the module. Its parameters are those of the definition in wasm/. */
export type WasmFunction<Result = void> = (...values: number[]) => Result;

/** Runs a module's functions: immediately, or within `independently` at its end on any thread. */
export interface Scheduler extends GroupKernels {
  /** Number of threads, including the calling one. */
  readonly threads: number;
  /** The functions without a result, by name. */
  readonly functions: Readonly<Record<string, WasmFunction>>;
}

export function directScheduler(exports: WebAssembly.Exports): Scheduler {
  return {
    threads: 1,
    functions: exports as unknown as Scheduler["functions"],
    independently: (body) => body(),
    openGroup: () => undefined,
    closeGroup: () => undefined,
  };
}

/** Parts per thread, so that threads can balance their load. */
const PARTS_PER_THREAD = 2;

/**
 * The length of the parts of 0..count-1, a multiple of `step` and at least `least`; the last part may be shorter. A range
 * that is processed `times` times needs fewer parts. Results must not depend on the division.
 */
export function partLength(
  { threads }: Scheduler,
  count: number,
  least: number,
  step: number,
  times: number = 1,
): number {
  if (threads === 1 || count < 2 * least) return count;
  const wanted = Math.ceil((threads * PARTS_PER_THREAD) / times);
  const parts = Math.min(wanted, Math.floor(count / least));
  return Math.ceil(count / parts / step) * step;
}
