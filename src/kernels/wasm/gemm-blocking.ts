/** The block sizes of the matrix product, and its working space. */
import { weightGradientSpace } from "../block-sparse.ts";

/** Steps of the reduction (the sum over k) in a block. */
export const DEPTH_BLOCK = 512;
/** Columns of B that are packed at a time. */
export const COLUMN_BLOCK = 512;
/** Rows of A in a block, which fits into the cache: a multiple of the rows of every tile. */
export const ROW_BLOCK = 120;
/** Floats in the largest tile of any variant. */
export const TILE_FLOATS = 80;

/** Byte offsets in the working space: the packed factors, and a tile at the right edge of C. */
export const LEFT_OFFSET = 0;
export const RIGHT_OFFSET: number = DEPTH_BLOCK * ROW_BLOCK * 4;
export const EDGE_OFFSET: number = RIGHT_OFFSET + DEPTH_BLOCK * COLUMN_BLOCK * 4;

/** Block-sparse weight gradients with more inputs run on one thread. This is the inner width of BERT-large. */
const WIDEST_INPUTS = 4096;

/** Floats of an instance's working space: enough for a product and for a block-sparse weight gradient. */
export const WORKSPACE_FLOATS: number = Math.max(
  EDGE_OFFSET / 4 + TILE_FLOATS,
  weightGradientSpace(WIDEST_INPUTS),
);
