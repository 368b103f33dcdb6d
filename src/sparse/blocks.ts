import { checkInteger, checkList, mismatch } from "../core/checks.ts";
import {
  bitsOf,
  checkMatrix,
  type ElementArray,
  indexArray,
  type MatrixShape,
  zerosLike,
} from "./elements.ts";

/** The most elements that one array may have. */
const MOST_ELEMENTS = 2 ** 32;

/** Height and width of a block: [4, 1] for the pattern 4x1. */
export type BlockShape = readonly [height: number, width: number];

/**
 * The positions of the kept blocks of a matrix. Block rows and block columns are counted in blocks, not in elements.
 */
export interface BlockPositions {
  /** The shape of the dense matrix. Blocks at the lower and right edges may extend beyond it. */
  readonly shape: MatrixShape;
  readonly block: BlockShape;
  /** The kept blocks in block row r have the indices from starts[r] to starts[r + 1] - 1. */
  readonly starts: Uint32Array;
  /** The block column of each kept block, ascending within a block row; in 16 bits if every block column fits. */
  readonly columns: Uint16Array | Uint32Array;
}

/** A matrix stored as its kept blocks. With 1x1 blocks, this is the compressed sparse row format (CSR). Plain data. */
export interface BlockMatrix<E extends ElementArray = ElementArray> extends BlockPositions {
  readonly layout: "blocks";
  /** The elements of each kept block, row-major within a block; +0 beyond the edges of the matrix. */
  readonly values: E;
}

export function checkBlock(block: BlockShape): void {
  checkList("block", block);
  checkInteger("block[0]", block[0], 1);
  checkInteger("block[1]", block[1], 1);
  if (!Number.isSafeInteger(block[0] * block[1]))
    throw new RangeError(mismatch("block", "at most 2^53 - 1 elements", block.join("x")));
}

export function blockGrid(shape: MatrixShape, [height, width]: BlockShape): MatrixShape {
  return [Math.ceil(shape[0] / height), Math.ceil(shape[1] / width)];
}

/**
 * Sets the entries of `occupied` for the blocks in a block row: 1 if any element is not +0 or is kept by `mask`, else
 * 0. Returns the number of ones.
 */
export function occupiedInto(
  bits: Uint32Array | Uint16Array,
  mask: Uint8Array | undefined,
  [rows, columns]: MatrixShape,
  [height, width]: BlockShape,
  blockRow: number,
  occupied: Uint8Array,
): number {
  occupied.fill(0);
  const first = blockRow * height;
  const end = Math.min(rows, first + height);
  let count = 0;
  // The positions of zeros look random, so a branch on them would often be mispredicted.
  if (width === 1 && mask === undefined) {
    for (let column = 0; column < columns; column++) {
      let any = 0;
      for (let at = first * columns + column; at < end * columns; at += columns) any |= bits[at];
      occupied[column] = Number(any !== 0);
      count += Number(any !== 0);
    }
    return count;
  }
  for (let row = first; row < end; row++) {
    let at = row * columns;
    for (let block = 0, column = 0; column < columns; block++) {
      let any = 0;
      const next = Math.min(columns, column + width);
      for (; column < next; column++, at++) any |= bits[at] | (mask?.[at] ?? 0);
      occupied[block] |= Number(any !== 0);
    }
  }
  for (let block = 0; block < occupied.length; block++) count += occupied[block];
  return count;
}

/**
 * Packs a row-major matrix: stores each block in which any element is not +0 or is kept by `mask`.
 *
 * @param mask - 1 = kept
 * @throws TypeError if `data` is neither a Float32Array nor a Uint16Array; RangeError if its length is not the number
 *   of elements in the shape
 *
 * @example
 * ```ts
 * import { packBlocks, packedBytes, unpack } from "espalier/sparse";
 *
 * const weight = new Float32Array(6 * 4);
 * weight.set([1, 2, 3, 4], 0);
 * const packed = packBlocks(weight, [6, 4], [4, 1]);
 * if (packed.columns.length !== 4) throw new Error("expected the four blocks of the first block row");
 * if (unpack(packed).join() !== weight.join()) throw new Error("expected an exact round trip");
 * if (packedBytes(packed) !== 4 * 3 + 2 * 4 + 4 * 16) throw new Error("expected starts, columns, values");
 * ```
 */
export function packBlocks<E extends ElementArray>(
  data: E,
  shape: MatrixShape,
  block: BlockShape,
  mask?: Uint8Array,
): BlockMatrix<E> {
  checkBlock(block);
  checkMatrix(data, shape, mask);
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const bits = bitsOf(data);
  const occupied = new Uint8Array(blockColumns);
  const starts = new Uint32Array(blockRows + 1);
  const found = indexArray(blockRows * blockColumns, blockColumns);
  let count = 0;
  for (let row = 0; row < blockRows; row++) {
    if (occupiedInto(bits, mask, shape, block, row, occupied) > 0)
      // Written for every column and counted for the occupied ones, because a branch would often be mispredicted.
      for (let column = 0; column < blockColumns; column++) {
        found[count] = column;
        count += occupied[column];
      }
    starts[row + 1] = count;
  }
  if (count * block[0] * block[1] > MOST_ELEMENTS)
    throw new RangeError(mismatch("block", "blocks that fit into memory", block.join("x")));
  const values = zerosLike(data, count * block[0] * block[1]);
  const columns = found.slice(0, count);
  const positions: BlockPositions = { shape: [...shape], block: [...block], starts, columns };
  copyKept(positions, bits, bitsOf(values), "pack");
  return { layout: "blocks", ...positions, values };
}

/** Returns the dense row-major matrix. Elements outside the kept blocks are +0. */
export function unpackBlocks<E extends ElementArray>(matrix: BlockMatrix<E>): E {
  const dense = zerosLike(matrix.values, matrix.shape[0] * matrix.shape[1]);
  copyKept(matrix, bitsOf(dense), bitsOf(matrix.values), "unpack");
  return dense;
}

/** Copies the elements of the kept blocks that are within the matrix from its dense form to `values`, or back. */
function copyKept(
  { shape, block, starts, columns }: BlockPositions,
  dense: Uint32Array | Uint16Array,
  values: Uint32Array | Uint16Array,
  direction: "pack" | "unpack",
): void {
  const [height, width] = block;
  const size = height * width;
  const packs = direction === "pack";
  for (let blockRow = 0; blockRow + 1 < starts.length; blockRow++) {
    const end = starts[blockRow + 1];
    const rows = Math.min(height, shape[0] - blockRow * height);
    for (let index = starts[blockRow]; index < end; index++) {
      const column = columns[index] * width;
      const inside = Math.min(width, shape[1] - column);
      for (let row = 0; row < rows; row++) {
        const start = (blockRow * height + row) * shape[1] + column;
        const position = index * size + row * width;
        if (packs) for (let i = 0; i < inside; i++) values[position + i] = dense[start + i];
        else for (let i = 0; i < inside; i++) dense[start + i] = values[position + i];
      }
    }
  }
}
