/** Costs of executions on a common processor: with them, the choice of executions is the same on every machine. */
import type { KernelVariant } from "../kernels/table.ts";
import type { CostModel } from "./cost-model.ts";

type Costs = Omit<CostModel, "variant" | "tokens">;

/** Measured with 128 tokens on an x64 processor with AVX-512, and rounded. */
const VECTORS: Costs = {
  dense: 0.031,
  blocks: {
    1: { block: 0.05, edge: 0.1 },
    2: { block: 0.062, edge: 0.12 },
    4: { block: 0.125, edge: 0.1 },
    8: { block: 0.25, edge: 0.07 },
    16: { block: 0.51, edge: 0.07 },
  },
  move: 0.2,
};

const LOOPS: Costs = {
  dense: 1.44,
  blocks: {
    1: { block: 5, edge: 9 },
    2: { block: 7.7, edge: 4.7 },
    4: { block: 14, edge: 0 },
    8: { block: 28, edge: 0 },
    16: { block: 52, edge: 0 },
  },
  move: 1,
};

/** Returns typical costs of a kernel variant. They are not those of this machine. */
export function typicalCosts(variant: KernelVariant): CostModel {
  return { variant, tokens: 128, ...(variant === "scalar" ? LOOPS : VECTORS) };
}
