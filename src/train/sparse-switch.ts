/**
 * The densities below which products use the compressed form of a weight. Measured by `bench/sparse-products.ts` (see
 * docs/performance.md), never at run time, so that a run gives the same bytes on every machine.
 */
import type { ByProduct } from "../autograd/records.ts";
import type { KernelVariant } from "../kernels/table.ts";

/** Whether products use only the kept blocks of weights: if it is faster by a fixed table, always, or never. */
export type SparseProductsSetting = "auto" | "always" | "off";

export const SPARSE_PRODUCTS: readonly SparseProductsSetting[] = ["auto", "always", "off"];

/** Shares of kept blocks up to which each product is faster in compressed form, in every layer measured. */
export const BREAK_EVEN: Readonly<Record<KernelVariant, ByProduct<number>>> = {
  revectorized: { forward: 0.7, inputGradient: 0.5, weightGradient: 0.4 },
  fma: { forward: 0.8, inputGradient: 0.5, weightGradient: 0.7 },
  simd: { forward: 0.8, inputGradient: 0.5, weightGradient: 0.7 },
  scalar: { forward: 0.25, inputGradient: 0.25, weightGradient: 0.4 },
};

/** The products that use the compressed form of a weight, given its share of kept blocks. */
export function chooseProducts(
  setting: SparseProductsSetting,
  variant: KernelVariant,
  density: number,
): ByProduct<boolean> {
  const { forward, inputGradient, weightGradient } = BREAK_EVEN[variant];
  const uses = (most: number): boolean =>
    setting === "always" || (setting === "auto" && density <= most);
  return {
    forward: uses(forward),
    inputGradient: uses(inputGradient),
    weightGradient: uses(weightGradient),
  };
}
