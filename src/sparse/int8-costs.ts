/** Typical costs of products with 8-bit weights. They are predictions only: no execution is chosen by them. */
import type { KernelVariant } from "../kernels/table.ts";

/** The costs of products with 8-bit weights, in nanoseconds per token. */
interface Int8Costs {
  /** The cost of each multiplication. */
  readonly multiplication: number;
  /** The cost of each output and of each input, which is rounded to a byte. */
  readonly edge: number;
}

/** Measured with 4x1 blocks and 128 tokens on an x64 processor with AVX-VNNI, and rounded. */
const INT8_COSTS: Readonly<Record<KernelVariant, Int8Costs>> = {
  scalar: { multiplication: 1.5, edge: 4 },
  simd: { multiplication: 0.025, edge: 0.25 },
  fma: { multiplication: 0.012, edge: 0.2 },
  revectorized: { multiplication: 0.009, edge: 0.2 },
};

export function typicalInt8Costs(variant: KernelVariant): Int8Costs {
  return INT8_COSTS[variant];
}
