/** Finds the kernel variants that an engine can run, with small modules instead of those of the kernels. */

import { DOT_PROBE } from "../wasm/modules.generated.ts";

/** A module whose function calls `i8x16.splat`. */
const SIMD_PROBE: readonly number[] = [
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
];

/** Why kernels with relaxed SIMD are not used on an engine with wrong dot products. */
export const WRONG_PRODUCTS: string =
  "the engine's relaxed dot products are wrong; Node 20 needs --no-liftoff";

/**
 * Returns the fastest kernel variant that the engine can run: `fma` or `simd`, or undefined without SIMD. The name of
 * its file is `espalier/kernels/fma.wasm` or `espalier/kernels/simd.wasm`. `fma` needs an engine that allows compiling
 * a small module and computes relaxed dot products as specified. `revectorized` needs a flag of V8, which cannot be
 * detected.
 */
export function fastestVariant(): "fma" | "simd" | undefined {
  if (typeof WebAssembly === "undefined") return undefined;
  if (multipliesExactly() === true) return "fma";
  return WebAssembly.validate(Uint8Array.from(SIMD_PROBE)) ? "simd" : undefined;
}

let exact: boolean | undefined;

/**
 * Whether the engine computes relaxed dot products as specified (see `wasm/dot-probe.ts`). Undefined if it has none, or
 * if the page's policy forbids compiling.
 */
export function multipliesExactly(): boolean | undefined {
  exact ??= probeProducts();
  return exact;
}

function probeProducts(): boolean | undefined {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytesOf(DOT_PROBE)));
    const dotProbe = exports.dotProbe as () => number;
    return dotProbe() === 1;
  } catch {
    return undefined;
  }
}

/** Decodes a module in base64. */
export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
