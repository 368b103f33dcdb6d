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
}

/** Runs every call where it is made. */
export function directScheduler(exports: WebAssembly.Exports): Scheduler {
  return {
    threads: 1,
    functions: exports as unknown as Scheduler["functions"],
    independently: (body) => body(),
  };
}

/** How large parts are: at least `least`, and a multiple of `step` but for the last one. */
export interface PartSize {
  readonly least: number;
  readonly step: number;
}

/** Parts to a thread: one that is held up then leaves the others something to do. */
const PARTS_PER_THREAD = 2;

/** Whether {@link inParts} would not cut: a caller with many small calls spares itself the closure. */
export function isWhole({ threads }: Scheduler, count: number, least: number): boolean {
  return threads === 1 || count < 2 * least;
}

/**
 * Cuts 0..count-1 into parts that the threads share. `body` gets their starts and lengths; it makes calls that do not depend on one another, and whose
 * results do not depend on where the cuts are.
 */
export function inParts(
  scheduler: Scheduler,
  count: number,
  { least, step }: PartSize,
  body: (start: number, length: number) => void,
): void {
  if (isWhole(scheduler, count, least)) {
    body(0, count);
    return;
  }
  const parts = Math.min(scheduler.threads * PARTS_PER_THREAD, Math.floor(count / least));
  const length = Math.ceil(count / parts / step) * step;
  scheduler.independently(() => {
    for (let start = 0; start < count; start += length)
      body(start, Math.min(length, count - start));
  });
}
