/** Entry point `espalier/sparse`: compressed layouts of pruned weights, and inference with them. */

export type { Problem } from "./core/either.ts";
export { BLOCK_HEIGHTS, type BlockHeight } from "./kernels/block-sparse.ts";
export { type BitmaskMatrix, packBitmask, unpackBitmask } from "./sparse/bitmask.ts";
export {
  type BlockMatrix,
  type BlockPositions,
  type BlockShape,
  packBlocks,
  unpackBlocks,
} from "./sparse/blocks.ts";
export { type ChannelMatrix, packChannels, unpackChannels } from "./sparse/channels.ts";
export { packedProblems } from "./sparse/check.ts";
export {
  type ClassifierFeedForward,
  type ClassifierLayer,
  createSparseClassifier,
  type ReadParameter,
  type SparseClassifier,
  type SparseClassifierOptions,
} from "./sparse/classifier.ts";
export {
  type BlockCost,
  type CostModel,
  chooseExecution,
  measureCosts,
  predictCost,
} from "./sparse/cost-model.ts";
export type { ElementArray, MatrixShape } from "./sparse/elements.ts";
export {
  type Execution,
  formatExecution,
  type LinearFacts,
  linearFacts,
} from "./sparse/execution.ts";
export {
  type CompactedFeedForward,
  compactFeedForward,
  type FeedForward,
} from "./sparse/feed-forward.ts";
export { type GroupMatrix, type GroupShape, packGroups, unpackGroups } from "./sparse/groups.ts";
export {
  type ExactMatrix,
  formatLayout,
  type LayoutSpec,
  type PackedMatrix,
  pack,
  packedBytes,
  parseLayout,
  unpack,
} from "./sparse/layout.ts";
export {
  dequantizeBlocks,
  type QuantizationError,
  type QuantizedMatrix,
  quantizeBlocks,
  unpackQuantized,
} from "./sparse/quantized.ts";
export { type LayoutSize, layoutBytes, smallestLayout, USUAL_LAYOUTS } from "./sparse/size.ts";
