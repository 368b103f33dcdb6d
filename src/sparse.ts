/**
 * Compressed layouts of pruned weights, and inference with them.
 *
 * @module espalier/sparse
 */

export { packBlocks } from "./sparse/blocks.ts";
export { packedProblems } from "./sparse/check.ts";
export {
  createSparseClassifier,
  type SparseClassifier,
  type SparseClassifierOptions,
} from "./sparse/classifier.ts";
export { type CostModel, measureCosts } from "./sparse/cost-model.ts";
export type { ElementArray } from "./sparse/elements.ts";
export { type Execution, formatExecution } from "./sparse/execution.ts";
export { quantizeRows } from "./sparse/int8.ts";
export {
  formatLayout,
  type LayoutSpec,
  type PackedMatrix,
  pack,
  packedBytes,
  parseLayout,
  unpack,
} from "./sparse/layout.ts";
export { quantizeBlocks } from "./sparse/quantized.ts";
export { layoutBytes, smallestLayout } from "./sparse/size.ts";
