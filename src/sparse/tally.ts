/** Computes the size of a matrix in a layout. The matrix is given in bands of consecutive rows, one band at a time. */
import { isTypedArray } from "../core/checks.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { type BlockShape, blockGrid, checkBlock, occupiedInto } from "./blocks.ts";
import { markOccupiedInto } from "./channels.ts";
import { bitsOf, type ElementArray, type MatrixShape } from "./elements.ts";
import { checkGroup, firstFullGroup, groupSizes } from "./groups.ts";
import type { LayoutSpec } from "./layout.ts";

/** Adds up the size of a matrix in a layout, band by band. */
export interface LayoutTally {
  /**
   * Adds the next rows of the matrix: whole rows of blocks, or the last rows.
   *
   * @param mask one entry for each element, 1 if it is kept. Kept zeros are stored.
   */
  add(band: ElementArray, rows: number, mask?: Uint8Array): void;
  /** Returns the size in bytes of the matrix; null if a group has fewer zeros than the layout requires. */
  bytes(): number | null;
}

/** Counts the blocks in which any element is not +0 or is kept by `mask`. */
export function countKeptBlocks(
  data: ElementArray,
  shape: MatrixShape,
  block: BlockShape,
  mask?: Uint8Array,
  kernels?: PruningKernels,
): number {
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const [height, width] = block;
  const isWhole = width === 1 && height * blockRows === shape[0];
  if (
    kernels?.countZeroBlocks &&
    isWhole &&
    mask === undefined &&
    isTypedArray(data, "Float32Array")
  ) {
    const columns = height === 1 ? data.length : shape[1];
    return blockRows * blockColumns - kernels.countZeroBlocks(data, height, columns, false);
  }
  const bits = bitsOf(data);
  let count = 0;
  if (blockRows * blockColumns === bits.length && mask === undefined) {
    for (let i = 0; i < bits.length; i++) count += Number(bits[i] !== 0);
    return count;
  }
  const occupied = new Uint8Array(blockColumns);
  for (let row = 0; row < blockRows; row++)
    count += occupiedInto(bits, mask, shape, block, row, occupied);
  return count;
}

/**
 * Creates a tally for a block layout, which stores `blockBytes` bytes and an index for each kept block, and the start
 * of each row of blocks.
 */
export function blocksTally(
  shape: MatrixShape,
  block: BlockShape,
  blockBytes: number,
  kernels?: PruningKernels,
): LayoutTally {
  checkBlock(block);
  const [, columns] = shape;
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const index = blockColumns <= 0x10000 ? 2 : 4;
  let kept = 0;
  return {
    add: (band, rows, mask) => {
      kept += countKeptBlocks(band, [rows, columns], block, mask, kernels);
    },
    bytes: () => 4 * (blockRows + 1) + kept * (index + blockBytes),
  };
}

function channelsTally([rows, columns]: MatrixShape, elementBytes: number): LayoutTally {
  const [inRow, inColumn] = [new Uint8Array(rows), new Uint8Array(columns)];
  let row = 0;
  const sum = (marks: Uint8Array): number => marks.reduce((total, mark) => total + mark, 0);
  return {
    add: (band, count, mask) => {
      markOccupiedInto(band, mask, inRow.subarray(row, row + count), inColumn);
      row += count;
    },
    bytes: () => {
      const [keptRows, keptColumns] = [sum(inRow), sum(inColumn)];
      return 4 * (keptRows + keptColumns) + keptRows * keptColumns * elementBytes;
    },
  };
}

/**
 * Creates a tally for a matrix of a shape, with `elementBytes` bytes for each element.
 *
 * @param kernels the kernels to use for 32-bit floats
 */
export function layoutTally(
  spec: LayoutSpec,
  shape: MatrixShape,
  elementBytes: number,
  kernels?: PruningKernels,
): LayoutTally {
  const [, columns] = shape;
  switch (spec.layout) {
    case "blocks": {
      const [height, width] = spec.block;
      return blocksTally(shape, spec.block, height * width * elementBytes, kernels);
    }
    case "groups": {
      checkGroup(spec);
      let fits = true;
      const { values, indexBytes } = groupSizes(shape, spec);
      return {
        add: (band, rows) => {
          fits &&= firstFullGroup(band, [rows, columns], spec) === null;
        },
        bytes: () => (fits ? values * elementBytes + indexBytes : null),
      };
    }
    case "bitmask": {
      let kept = 0;
      return {
        add: (band, rows, mask) => {
          kept += countKeptBlocks(band, [rows, columns], [1, 1], mask, kernels);
        },
        bytes: () => Math.ceil((shape[0] * columns) / 8) + kept * elementBytes,
      };
    }
    case "channels":
      return channelsTally(shape, elementBytes);
    default:
      return spec satisfies never;
  }
}
