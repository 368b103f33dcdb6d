/**
 * From which density down a product is computed from a weight's compressed form. Measured by
 * `bench/sparse-products.ts` (see docs/performance.md), never at run time: a run gives the same bytes on every machine.
 */
import type { KernelVariant } from "../kernels/table.ts";

/**
 * Whether training multiplies pruned weights in compressed form. `auto`: where that is faster, by a fixed table.
 * `always`: wherever it is possible, at any density: to test it. `off`: never.
 */
export type SparseProductsSetting = "auto" | "always" | "off";

/** The settings, for option lists. */
export const SPARSE_PRODUCTS: readonly SparseProductsSetting[] = ["auto", "always", "off"];

/** One value for each product of a linear layer. */
export interface ByProduct<T> {
  readonly forward: T;
  readonly inputGradient: T;
  readonly weightGradient: T;
}

/**
 * Shares of kept blocks at which each product was faster in compressed form in every layer measured: chosen from several
 * runs, of which docs/performance.md has one, and smaller where some of them came close to dense.
 */
export const BREAK_EVEN: Readonly<Record<KernelVariant, ByProduct<number>>> = {
  revectorized: { forward: 0.7, inputGradient: 0.5, weightGradient: 0.4 },
  fma: { forward: 0.8, inputGradient: 0.5, weightGradient: 0.7 },
  simd: { forward: 0.8, inputGradient: 0.5, weightGradient: 0.7 },
  scalar: { forward: 0.25, inputGradient: 0.25, weightGradient: 0.4 },
};

/** The products to compute from the compressed form of a weight of which `density` (a share of blocks) is kept. */
export function chooseProducts(
  setting: SparseProductsSetting,
  variant: KernelVariant,
  density: number,
): ByProduct<boolean> {
  switch (setting) {
    case "off":
      return { forward: false, inputGradient: false, weightGradient: false };
    case "always":
      return { forward: true, inputGradient: true, weightGradient: true };
    case "auto": {
      const { forward, inputGradient, weightGradient } = BREAK_EVEN[variant];
      return {
        forward: density <= forward,
        inputGradient: density <= inputGradient,
        weightGradient: density <= weightGradient,
      };
    }
    default:
      return setting satisfies never;
  }
}
