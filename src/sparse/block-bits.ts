/** The positions of kept blocks as one bit for each block, which files store in fewer bytes than lists of columns. */
import { isSet } from "./bitmask.ts";
import { type BlockPositions, type BlockShape, blockGrid } from "./blocks.ts";
import { indexArray, type MatrixShape } from "./elements.ts";

/** Returns a bit for each block in row-major order, starting with the lowest bit of each byte; 1 = kept. */
export function bitsOfPositions({ shape, block, starts, columns }: BlockPositions): Uint8Array {
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const bits = new Uint8Array(Math.ceil((blockRows * blockColumns) / 8));
  for (let row = 0; row < blockRows; row++)
    for (let index = starts[row]; index < starts[row + 1]; index++) {
      const at = row * blockColumns + columns[index];
      bits[at >>> 3] |= 1 << (at & 7);
    }
  return bits;
}

/** Returns the positions of the bits that are set. The inverse of {@link bitsOfPositions}. */
export function positionsOfBits(
  shape: MatrixShape,
  block: BlockShape,
  bits: Uint8Array,
): BlockPositions {
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const starts = new Uint32Array(blockRows + 1);
  const found = indexArray(blockRows * blockColumns, blockColumns);
  let count = 0;
  for (let row = 0, at = 0; row < blockRows; row++) {
    for (let column = 0; column < blockColumns; column++, at++) {
      found[count] = column;
      count += Number(isSet(bits, at));
    }
    starts[row + 1] = count;
  }
  return { shape, block, starts, columns: found.slice(0, count) };
}
