/** Entry point `espalier/sparse`: compressed layouts of pruned weights. */

export type { Problem } from "./core/either.ts";
export { type BitmaskMatrix, packBitmask, unpackBitmask } from "./sparse/bitmask.ts";
export {
  type BlockMatrix,
  type BlockShape,
  type KeptBlocks,
  packBlocks,
  unpackBlocks,
} from "./sparse/blocks.ts";
export { type ChannelMatrix, packChannels, unpackChannels } from "./sparse/channels.ts";
export { packedProblems } from "./sparse/check.ts";
export type { ElementArray, MatrixShape } from "./sparse/elements.ts";
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
