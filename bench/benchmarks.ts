/** Every benchmark by its name. */
import type { BenchmarkName } from "../src/cli/bench.ts";
import type { Benchmark } from "./benchmark.ts";
import { browserBenchmark } from "./browser.ts";
import { checkpointBenchmark } from "./checkpoint.ts";
import { conversionBenchmark } from "./conversion.ts";
import { deploymentBenchmark } from "./deployment.ts";
import { gemmBenchmark } from "./gemm.ts";
import { groupsBenchmark } from "./groups.ts";
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
import { startupBenchmark } from "./startup.ts";
import { stepBenchmark } from "./step.ts";
import { transferBenchmark } from "./transfer.ts";

/** Every benchmark by its name. */
export const BENCHMARKS: Readonly<Record<BenchmarkName, Benchmark>> = {
  step: stepBenchmark,
  "sparse-step": sparseStepBenchmark,
  padding: paddingBenchmark,
  growth: growthBenchmark,
  memory: memoryBenchmark,
  "mask-step": maskStepBenchmark,
  selection: selectionBenchmark,
  groups: groupsBenchmark,
  checkpoint: checkpointBenchmark,
  conversion: conversionBenchmark,
  "sparse-products": sparseProductsBenchmark,
  "sparse-linear": sparseLinearBenchmark,
  inference: inferenceBenchmark,
  deployment: deploymentBenchmark,
  startup: startupBenchmark,
  transfer: transferBenchmark,
  browser: browserBenchmark,
  packing: packingBenchmark,
  gemm: gemmBenchmark,
  kernels: kernelsBenchmark,
};
