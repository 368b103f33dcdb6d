/** How many bytes a weight would take in each layout, without packing it; and which takes the fewest. */
import { type BlockShape, blockGrid, checkBlock, occupiedInto } from "./blocks.ts";
import { occupiedChannels } from "./channels.ts";
import { bitsOf, checkMatrix, type ElementArray, type MatrixShape } from "./elements.ts";
import { checkGroup, firstFullGroup, groupSizes } from "./groups.ts";
import type { LayoutSpec } from "./layout.ts";

/** Layouts that patterns in use end in, and those for anything else. */
export const USUAL_LAYOUTS: readonly LayoutSpec[] = Object.freeze([
  ...([1, 2, 4, 8, 16] as const).map((height) => ({
    layout: "blocks" as const,
    block: [height, 1] as const,
  })),
  ...([2, 4, 8, 16] as const).map((width) => ({
    layout: "blocks" as const,
    block: [1, width] as const,
  })),
  ...([4, 8, 16] as const).map((side) => ({
    layout: "blocks" as const,
    block: [side, side] as const,
  })),
  { layout: "groups", prune: 1, of: 2 },
  { layout: "groups", prune: 2, of: 4 },
  { layout: "groups", prune: 4, of: 8 },
  { layout: "groups", prune: 3, of: 4 },
  { layout: "bitmask" },
  { layout: "channels" },
]);

/** A block's scale is a bfloat16 number. */
const SCALE_BYTES = 2;

/** How many blocks of a matrix have a bit set, or a kept element. */
export function countKeptBlocks(
  data: ElementArray,
  shape: MatrixShape,
  block: BlockShape,
  mask?: Uint8Array,
): number {
  const bits = bitsOf(data);
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const occupied = new Uint8Array(blockColumns);
  let count = 0;
  for (let row = 0; row < blockRows; row++)
    count += occupiedInto(bits, mask, shape, block, row, occupied);
  return count;
}

/**
 * Bytes that a matrix takes in a layout: what `packedBytes` would say of it.
 *
 * @returns null where the layout cannot hold it: groups with fewer zeros
 * @throws TypeError, RangeError as `pack` does, but for groups with fewer zeros
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
      checkBlock(spec.block);
      const [blockRows, blockColumns] = blockGrid(shape, spec.block);
      const index = blockColumns <= 0x10000 ? 2 : 4;
      const elements = spec.block[0] * spec.block[1];
      const kept = countKeptBlocks(data, shape, spec.block, mask);
      return 4 * (blockRows + 1) + kept * (index + elements * size);
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

/** Bytes that a matrix takes in blocks of eight-bit integers. */
export function quantizedBytes(
  data: Float32Array,
  shape: MatrixShape,
  block: BlockShape,
  mask?: Uint8Array,
): number {
  checkMatrix(data, shape, mask);
  checkBlock(block);
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const index = blockColumns <= 0x10000 ? 2 : 4;
  const kept = countKeptBlocks(data, shape, block, mask);
  return 4 * (blockRows + 1) + kept * (index + block[0] * block[1] + SCALE_BYTES);
}

/** A layout and what it takes. */
export interface LayoutSize {
  /** Null: dense. */
  readonly spec: LayoutSpec | null;
  readonly bytes: number;
}

/** The first of the smallest layouts; dense before all. */
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

/** Whether an element is +0: without one no layout is smaller than dense. */
export function hasZero(data: ElementArray): boolean {
  return (bitsOf(data) as Uint32Array).includes(0);
}

/**
 * The layout that takes the fewest bytes, of several and dense; the first of equal ones, dense before all.
 *
 * @throws as {@link layoutBytes}
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
