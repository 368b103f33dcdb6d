/** Computes the size of a weight in each layout, and chooses the smallest layout. */
import { checkRecords } from "../core/checks.ts";
import { type BlockShape, blockGrid, checkBlock } from "./blocks.ts";
import { bitsOf, checkMatrix, type ElementArray, type MatrixShape } from "./elements.ts";
import { checkLayout, type LayoutSpec, parseLayout } from "./layout.ts";
import { blocksTally, countKeptBlocks, layoutTally } from "./tally.ts";

function layoutsOf(...spellings: readonly string[]): readonly LayoutSpec[] {
  return spellings.flatMap((spelling) => parseLayout(spelling) ?? []);
}

/** The layouts of the usual patterns, and those for weights without a pattern. */
export const USUAL_LAYOUTS: readonly LayoutSpec[] = /* @__PURE__ */ layoutsOf(
  ...["csr", "2x1", "4x1", "8x1", "16x1", "1x2", "1x4", "1x8", "1x16", "4x4", "8x8", "16x16"],
  ...["1:2", "2:4", "4:8", "3:4"],
  ...["bitmask", "channels"],
);

/** The usual layouts with scales of rows: blocks that kernels for integers execute, and those without a pattern. */
export const INT8_LAYOUTS: readonly LayoutSpec[] = /* @__PURE__ */ layoutsOf(
  ...["csr", "4x1", "8x1", "16x1", "1x4", "1x8", "1x16", "channels"],
);

/**
 * Returns the size of a matrix in a layout, in bytes, without packing it.
 *
 * @returns null if a group has fewer zeros than the layout requires
 * @throws the same TypeError or RangeError as `pack` for invalid arguments
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
  checkLayout("spec", spec);
  const tally = layoutTally(spec, shape, data.BYTES_PER_ELEMENT);
  tally.add(data, shape[0], mask);
  return tally.bytes();
}

/**
 * Returns the size of a matrix of 8-bit integers with a scale for each row, in bytes: every element, or the blocks with
 * a bit for each block. The bits count as their entropy, which compression approaches. Otherwise larger blocks, with
 * more zeros to compute, would be chosen to save bits that compress to almost nothing.
 */
export function int8Bytes(
  data: Float32Array,
  shape: MatrixShape,
  block: BlockShape | null,
  mask?: Uint8Array,
): number {
  checkMatrix(data, shape, mask);
  const scales = shape[0] * Uint16Array.BYTES_PER_ELEMENT;
  if (block === null) return data.length + scales;
  checkBlock(block);
  const [blockRows, blockColumns] = blockGrid(shape, block);
  const blocks = blockRows * blockColumns;
  const kept = countKeptBlocks(data, shape, block, mask);
  const bits = entropyOf(kept, blocks) + entropyOf(blocks - kept, blocks);
  return Math.ceil(bits / 8) + kept * block[0] * block[1] + scales;
}

/** Returns the bits that `count` of `all` equal symbols need. */
function entropyOf(count: number, all: number): number {
  return count === 0 ? 0 : count * Math.log2(all / count);
}

/** Returns the size of a matrix in quantized blocks, in bytes. */
export function quantizedBytes(
  data: Float32Array,
  shape: MatrixShape,
  block: BlockShape,
  mask?: Uint8Array,
): number | null {
  checkMatrix(data, shape, mask);
  const blockBytes = block[0] * block[1] + Uint16Array.BYTES_PER_ELEMENT; // 8-bit integers and a scale
  const tally = blocksTally(shape, block, blockBytes);
  tally.add(data, shape[0], mask);
  return tally.bytes();
}

export interface LayoutSize {
  /** The layout; null if the dense form is smallest. */
  readonly spec: LayoutSpec | null;
  readonly bytes: number;
}

/** Returns the smallest of several layouts and the dense form. A tie goes to dense, then to the earlier layout. */
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

/** Whether any element is +0. Without zeros, no layout is smaller than dense. */
export function hasZero(data: ElementArray): boolean {
  return (bitsOf(data) as Uint32Array).includes(0);
}

/**
 * Returns the smallest of several layouts and the dense form. A tie goes to dense, then to the earlier layout.
 *
 * @throws the same errors as {@link layoutBytes}
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
  checkRecords("specs", specs, "layout");
  const candidates = hasZero(data) ? specs : [];
  return smallestBy(data.byteLength, candidates, (spec) => layoutBytes(data, shape, spec, mask));
}
