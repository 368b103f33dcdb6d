/** The blocks of the matrix product, and their working space. */
import { weightGradientSpace } from "../block-sparse.ts";

/** Steps of the reduction in a block. */
export const DEPTH_BLOCK = 512;
/** Columns of B packed at a time. */
export const COLUMN_BLOCK = 512;
/** Rows of A at a time, which stay in the cache; a multiple of the rows of every tile. */
export const ROW_BLOCK = 120;
/** Floats in the largest tile of any variant. */
export const TILE_FLOATS = 80;

/** Byte offsets of the packed factors, and of a tile at the right edge of C, in the working space. */
export const LEFT_OFFSET = 0;
export const RIGHT_OFFSET: number = DEPTH_BLOCK * ROW_BLOCK * 4;
export const EDGE_OFFSET: number = RIGHT_OFFSET + DEPTH_BLOCK * COLUMN_BLOCK * 4;

/** The most inputs of a block-sparse weight gradient on several threads: the inner width of BERT-large. */
const WIDEST_INPUTS = 4096;

/** Floats of working space of an instance: for a product, or for a block-sparse weight gradient. */
export const WORKSPACE_FLOATS: number = Math.max(
  EDGE_OFFSET / 4 + TILE_FLOATS,
  weightGradientSpace(WIDEST_INPUTS),
);
