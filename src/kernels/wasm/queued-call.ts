/** The function that runs a deferred call, whose function index and values are in memory. */
import { f32, f64, i32, type Local, type ModuleBuilder } from "./emitter.ts";

/** Bytes of a value. All are float64; the first is the index of the exported function. */
const VALUE_BYTES = 8;

/**
 * Adds `runCall` for the functions without a result that were added before. Calls from JavaScript would allocate an
 * object for every value that is not an integer.
 */
export function addQueuedCall(module: ModuleBuilder): void {
  const functions = module.exported.slice();
  module.func("runCall", { address: "i32" }, (f, { address }) => {
    const number = f.let(i32.wrapF64(f64.load(address)));
    for (const [i, target] of functions.entries()) {
      if (target.hasResult) continue;
      f.if(i32.eq(number, i), () => {
        const values = Object.entries(target.parameters).map(([name, type], k) => {
          const value = f64.load(address as Local<"i32">, VALUE_BYTES * (1 + k));
          return [name, type === "f32" ? f32.demoteF64(value) : i32.wrapF64(value)];
        });
        f.run(target, Object.fromEntries(values));
      });
    }
  });
}
