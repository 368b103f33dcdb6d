/** The function that runs a call of another one which was put off: it finds number and values in memory. */
import { f32, f64, i32, type Local, type ModuleBuilder } from "./emitter.ts";

/** Bytes of a value in memory: each is a float64, the first one the function's number among those exported. */
const VALUE_BYTES = 8;

/**
 * Adds `runCall`, for the functions without a result that were added before. JavaScript could call them itself, but
 * makes an object of every value that is no integer on the way.
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
