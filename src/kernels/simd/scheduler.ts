/** Runs the functions of a module on one or several threads. */
import { mismatch } from "../../core/checks.ts";
import type { GroupKernels } from "../table.ts";

/** A function of the WASM module. Its parameters are those that its definition in `wasm/` declares. */
export type WasmFunction<Result = void> = (...values: number[]) => Result;

/** Runs a module's functions: immediately, or, in a group, on any thread when the group is closed. */
export interface Scheduler extends GroupKernels {
  /** The number of threads, including the calling one. */
  readonly threads: number;
  /** The functions that return nothing, by name. */
  readonly functions: Readonly<Record<string, WasmFunction>>;
}

/** Returns a function that throws, in place of one that a module for inference lacks. */
export function missingKernel(name: string): WasmFunction<never> {
  return () => {
    throw new RangeError(mismatch("kernels", `a module with ${name}`, "one for inference"));
  };
}

/** Returns a prototype for an object of functions: those that the object lacks throw. */
export function missingKernels(): object {
  const get = (_: object, name: string | symbol): unknown =>
    typeof name === "string" ? missingKernel(name) : undefined;
  return new Proxy({}, { get });
}

export function directScheduler(exports: WebAssembly.Exports): Scheduler {
  return {
    threads: 1,
    functions: Object.setPrototypeOf({ ...exports }, missingKernels()),
    independently: (body) => body(),
    openGroup: () => undefined,
    closeGroup: () => undefined,
  };
}

/** The number of parts for each thread: more than one, so that threads can balance their load. */
const PARTS_PER_THREAD = 2;

/**
 * Returns the number of items in each part of a range of `count` items: a multiple of `step` and at least `least`,
 * except for the last part. If the caller divides `times` such ranges at once, each range gets fewer parts. Results
 * must not depend on the division.
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
