/** The block sizes of the matrix product, and the layout of its working space. */
import { weightGradientSpace } from "../block-sparse.ts";
import { INT8_SPACE } from "../int8.ts";

/** The number of steps of the reduction (the sum over k) in a block. */
export const DEPTH_BLOCK = 512;
/** The number of columns of B that are packed at a time. */
export const COLUMN_BLOCK = 512;
/** The number of rows of A in a block, a multiple of the rows of every tile. The block fits into the cache. */
export const ROW_BLOCK = 120;
/** The number of floats in the largest tile of any variant. */
export const TILE_FLOATS = 80;

/**
 * The byte offsets, within the working space, of the packed left factor, the packed right factor, and a tile at the
 * edge of C.
 */
export const LEFT_OFFSET = 0;
export const RIGHT_OFFSET: number = DEPTH_BLOCK * ROW_BLOCK * 4;
export const EDGE_OFFSET: number = RIGHT_OFFSET + DEPTH_BLOCK * COLUMN_BLOCK * 4;

/**
 * The largest number of inputs for which block-sparse weight gradients run on several threads: the width of the
 * feed-forward layers in BERT-large.
 */
const WIDEST_INPUTS = 4096;

/**
 * The size of an instance's working space in floats: enough for a matrix product, a block-sparse weight gradient or a
 * product with 8-bit weights.
 */
export const WORKSPACE_FLOATS: number = Math.max(
  EDGE_OFFSET / 4 + TILE_FLOATS,
  weightGradientSpace(WIDEST_INPUTS),
  INT8_SPACE / 4,
);
