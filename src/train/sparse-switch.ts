/**
 * The densities (shares of kept blocks) up to which products use the compressed form of a weight. They were measured by
 * `bench/sparse-products.ts` (see docs/performance.md) and are not measured at run time, so that a run gives the same
 * bytes on every machine.
 */
import type { ByProduct } from "../autograd/records.ts";
import type { KernelVariant } from "../kernels/table.ts";

/**
 * When products use only the kept blocks of a weight: if this is faster according to {@link BREAK_EVEN}, always, or
 * never.
 */
export type SparseProductsSetting = "auto" | "always" | "off";

export const SPARSE_PRODUCTS: readonly SparseProductsSetting[] = ["auto", "always", "off"];

/**
 * For each kernel variant and product, the largest share of kept blocks at which the compressed form was faster in
 * every measured layer.
 */
export const BREAK_EVEN: Readonly<Record<KernelVariant, ByProduct<number>>> = {
  revectorized: { forward: 0.7, inputGradient: 0.5, weightGradient: 0.4 },
  fma: { forward: 0.8, inputGradient: 0.5, weightGradient: 0.7 },
  simd: { forward: 0.8, inputGradient: 0.5, weightGradient: 0.7 },
  scalar: { forward: 0.25, inputGradient: 0.25, weightGradient: 0.4 },
};

/** Returns which products use the compressed form of a weight whose share of kept blocks is `density`. */
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
