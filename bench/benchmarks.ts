/** Every benchmark, in the order in which they run. */
import type { Benchmark } from "./benchmark.ts";
import { gemmBenchmark } from "./gemm.ts";
import { growthBenchmark } from "./growth.ts";
import { inferenceBenchmark } from "./inference.ts";
import { kernelsBenchmark } from "./kernels.ts";
import { maskStepBenchmark } from "./mask-step.ts";
import { memoryBenchmark } from "./memory.ts";
import { packingBenchmark } from "./packing.ts";
import { paddingBenchmark } from "./padding.ts";
import { selectionBenchmark } from "./selection.ts";
import { sparseLinearBenchmark } from "./sparse-linear.ts";
import { sparseProductsBenchmark } from "./sparse-products.ts";
import { sparseStepBenchmark } from "./sparse-step.ts";
import { stepBenchmark } from "./step.ts";

/** Every benchmark, in the order in which they run. */
export const BENCHMARKS: readonly Benchmark[] = [
  stepBenchmark,
  sparseStepBenchmark,
  paddingBenchmark,
  growthBenchmark,
  memoryBenchmark,
  maskStepBenchmark,
  selectionBenchmark,
  sparseProductsBenchmark,
  sparseLinearBenchmark,
  inferenceBenchmark,
  packingBenchmark,
  gemmBenchmark,
  kernelsBenchmark,
];
