/** The size of a weight in each layout, and the smallest layout. */
import { type BlockShape, blockGrid, checkBlock, occupiedInto } from "./blocks.ts";
import { occupiedChannels } from "./channels.ts";
import { bitsOf, checkMatrix, type ElementArray, type MatrixShape } from "./elements.ts";
import { checkGroup, firstFullGroup, groupSizes } from "./groups.ts";
import { type LayoutSpec, parseLayout } from "./layout.ts";

/** Layouts for the usual patterns, and for any other weight. */
export const USUAL_LAYOUTS: readonly LayoutSpec[] = /* @__PURE__ */ [
  ...["csr", "2x1", "4x1", "8x1", "16x1", "1x2", "1x4", "1x8", "1x16", "4x4", "8x8", "16x16"],
  ...["1:2", "2:4", "4:8", "3:4"],
  ...["bitmask", "channels"],
].flatMap((spelling) => parseLayout(spelling) ?? []);

/** The number of blocks with an element that is not +0 or that `mask` keeps. */
export function countKeptBlocks(
  data: ElementArray,
  shape: MatrixShape,
  block: BlockShape,
  mask?: Uint8Array,
): number {
  const bits = bitsOf(data);
  const [blockRows, blockColumns] = blockGrid(shape, block);
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

/** The bytes of a layout of blocks: `blockBytes` and an index for each kept block, and the starts of block rows. */
function blockLayoutBytes(
  data: ElementArray,
  shape: MatrixShape,
  block: BlockShape,
  blockBytes: number,
  mask?: Uint8Array,
): number {
  checkBlock(block);
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const index = blockColumns <= 0x10000 ? 2 : 4;
  return 4 * (blockRows + 1) + countKeptBlocks(data, shape, block, mask) * (index + blockBytes);
}

/**
 * The bytes of a matrix in a layout, computed without packing it.
 *
 * @returns null for groups with fewer zeros than the layout
 * @throws TypeError or RangeError as `pack`
 *
 * @example
 * ```ts
 * import { layoutBytes } from "espalier/sparse";
 *
 * const weight = Float32Array.of(0, 1, 0, 2, 0, 3, 0, 4);
 * console.assert(layoutBytes(weight, [1, 8], { layout: "groups", prune: 2, of: 4 }) === 4 * 4 + 1);
 * console.assert(layoutBytes(weight, [1, 8], { layout: "groups", prune: 3, of: 4 }) === null);
 * console.assert(layoutBytes(weight, [1, 8], { layout: "bitmask" }) === 4 * 4 + 1);
 * ```
 */
export function layoutBytes(
  data: ElementArray,
  shape: MatrixShape,
  spec: LayoutSpec,
  mask?: Uint8Array,
): number | null {
  checkMatrix(data, shape, mask);
  const size = data.BYTES_PER_ELEMENT;
  switch (spec.layout) {
    case "blocks": {
      const [height, width] = spec.block;
      return blockLayoutBytes(data, shape, spec.block, height * width * size, mask);
    }
    case "groups": {
      checkGroup(spec);
      if (firstFullGroup(data, shape, spec) !== null) return null;
      const { values, indexBytes } = groupSizes(shape, spec);
      return values * size + indexBytes;
    }
    case "bitmask": {
      const kept = countKeptBlocks(data, shape, [1, 1], mask);
      return Math.ceil(data.length / 8) + kept * size;
    }
    case "channels": {
      const { rows, columns } = occupiedChannels(data, shape, mask);
      return 4 * (rows.length + columns.length) + rows.length * columns.length * size;
    }
    default:
      return spec satisfies never;
  }
}

/** The bytes of a matrix in quantized blocks. */
export function quantizedBytes(
  data: Float32Array,
  shape: MatrixShape,
  block: BlockShape,
  mask?: Uint8Array,
): number {
  checkMatrix(data, shape, mask);
  const blockBytes = block[0] * block[1] + Uint16Array.BYTES_PER_ELEMENT; // integers and a scale
  return blockLayoutBytes(data, shape, block, blockBytes, mask);
}

export interface LayoutSize {
  /** null if dense. */
  readonly spec: LayoutSpec | null;
  readonly bytes: number;
}

/** The smallest of several layouts and dense; on ties dense, then the first. */
export function smallestBy(
  denseBytes: number,
  specs: readonly LayoutSpec[],
  bytesIn: (spec: LayoutSpec) => number | null,
): LayoutSize {
  let smallest: LayoutSize = { spec: null, bytes: denseBytes };
  for (const spec of specs) {
    const bytes = bytesIn(spec);
    if (bytes !== null && bytes < smallest.bytes) smallest = { spec, bytes };
  }
  return smallest;
}

/** Whether an element is +0. Without zeros no layout is smaller than dense. */
export function hasZero(data: ElementArray): boolean {
  return (bitsOf(data) as Uint32Array).includes(0);
}

/**
 * The smallest of several layouts and dense; on ties dense, then the first.
 *
 * @throws TypeError or RangeError as {@link layoutBytes}
 *
 * @example
 * ```ts
 * import { smallestLayout } from "espalier/sparse";
 *
 * const weight = new Float32Array(64);
 * weight.set([1, 2, 3, 4], 8);
 * const { spec, bytes } = smallestLayout(weight, [16, 4]);
 * console.assert(spec?.layout === "bitmask" && bytes === 64 / 8 + 4 * 4);
 * console.assert(smallestLayout(weight.fill(1), [16, 4]).spec === null);
 * ```
 */
export function smallestLayout(
  data: ElementArray,
  shape: MatrixShape,
  specs: readonly LayoutSpec[] = USUAL_LAYOUTS,
  mask?: Uint8Array,
): LayoutSize {
  checkMatrix(data, shape, mask);
  const candidates = hasZero(data) ? specs : [];
  return smallestBy(data.byteLength, candidates, (spec) => layoutBytes(data, shape, spec, mask));
}
