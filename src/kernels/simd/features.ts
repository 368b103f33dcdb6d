/** Finds the kernel variants that an engine can run. Nothing is compiled, so a page's policy does not matter. */

/** A module whose function calls `i8x16.splat`, and one whose function calls `i8x16.relaxed_swizzle`. */
const HEADER = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10];
const PROBES = {
  simd: [...HEADER, 8, 1, 6, 0, 65, 0, 253, 15, 11],
  fma: [...HEADER, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
} as const;

/**
 * Returns the fastest kernel variant that the engine can run: `fma` or `simd`, or undefined without SIMD. The name of
 * its file is `espalier/kernels/fma.wasm` or `espalier/kernels/simd.wasm`. `revectorized` needs a flag of V8, which
 * cannot be detected.
 */
export function fastestVariant(): "fma" | "simd" | undefined {
  return (["fma", "simd"] as const).find(
    (variant) =>
      typeof WebAssembly !== "undefined" && WebAssembly.validate(Uint8Array.from(PROBES[variant])),
  );
}
