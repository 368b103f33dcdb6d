/** Who runs the functions of a module: the calling thread alone, or several threads between them. */

/** A function of the module: addresses, sizes and constants in the order of its definition in wasm/. */
export type WasmFunction<Result = void> = (...values: number[]) => Result;

/**
 * Runs a module's functions. A call runs at once, but within `independently` it may be put off until the end of
 * that and run on any thread.
 */
export interface Scheduler {
  /** Threads that share the calls, the calling one among them. */
  readonly threads: number;
  /** The module's functions without a result, by name. */
  readonly functions: Readonly<Record<string, WasmFunction>>;
  /** Runs `body`, whose calls may run in any order or at once; all have ended when it returns. */
  independently(body: () => void): void;
  /** The same in two halves; `closeGroup` also follows where what is between them throws. */
  openGroup(): void;
  closeGroup(): void;
}

/** Runs every call where it is made. */
export function directScheduler(exports: WebAssembly.Exports): Scheduler {
  return {
    threads: 1,
    functions: exports as unknown as Scheduler["functions"],
    independently: (body) => body(),
    openGroup: () => undefined,
    closeGroup: () => undefined,
  };
}

/** Parts to a thread: one that is held up then leaves the others something to do. */
const PARTS_PER_THREAD = 2;

/**
 * The length of the parts into which the threads share 0..count-1, the last of which may be shorter: `count` where it
 * is not cut. A range that is gone through `times` over needs fewer parts each time. Results may not depend on where
 * the cuts are.
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
