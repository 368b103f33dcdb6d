/** Entry point `espalier/sparse`: compressed layouts of pruned weights. */

export {
  type BlockSparseMatrix,
  packBlocks,
  packedBytes,
  unpackBlocks,
} from "./sparse/block-sparse.ts";
