/** How the matrix product is divided into blocks, and the working space that these need. */
import { weightGradientSpace } from "../block-sparse.ts";

/** Steps of the reduction in a block. */
export const DEPTH_BLOCK = 512;
/** Columns of B packed at a time. */
export const COLUMN_BLOCK = 512;
/** Rows of A taken at a time, so that they stay in the cache; a multiple of every tile's rows. */
export const ROW_BLOCK = 120;
/** Floats in the largest tile of any variant. */
export const TILE_FLOATS = 80;

/** Byte offsets of the packed factors and of a tile at the right edge of C, in the working space of a product. */
export const LEFT_OFFSET = 0;
export const RIGHT_OFFSET: number = DEPTH_BLOCK * ROW_BLOCK * 4;
export const EDGE_OFFSET: number = RIGHT_OFFSET + DEPTH_BLOCK * COLUMN_BLOCK * 4;

/** Inputs up to which the gradient of a block-sparse weight runs on several threads: BERT-large's inner width. */
const WIDEST_INPUTS = 4096;

/** Floats of working space that every instance has: of a product, or of the gradient of a block-sparse weight. */
export const WORKSPACE_FLOATS: number = Math.max(
  EDGE_OFFSET / 4 + TILE_FLOATS,
  weightGradientSpace(WIDEST_INPUTS),
);
