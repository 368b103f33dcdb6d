/** Execution of a module's functions on one thread or on several. */
import type { GroupKernels } from "../table.ts";

/** A function of the module; its parameters are those in `wasm/`. */
export type WasmFunction<Result = void> = (...values: number[]) => Result;

/** Runs a module's functions immediately, or in a group at its end on any thread. */
export interface Scheduler extends GroupKernels {
  /** The number of threads, including the calling one. */
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

/** More than one, so that threads can balance their load. */
const PARTS_PER_THREAD = 2;

/**
 * The length of each part of `count` items: a multiple of `step` and at least `least`, except for the last part. There
 * are fewer parts if the caller divides `times` such ranges at once. Results must not depend on the division.
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
