/** Finds the rows, columns and blocks of a weight with an element that is not zero, in one pass. */
import { BLOCK_HEIGHTS, type BlockHeight } from "../kernels/block-sparse.ts";
import { bitsOf, type MatrixShape } from "./elements.ts";

/** The occupied parts of a weight [outputs, inputs]. -0 counts as zero, NaN does not. */
interface Occupancy {
  /** The number of occupied blocks for each block height that divides the number of outputs. */
  readonly blocks: ReadonlyMap<BlockHeight, number>;
  /** The number of occupied rows. */
  readonly rows: number;
  /** The number of occupied columns. */
  readonly columns: number;
}

/** The number of rows that are marked together: one bit of an integer for each. The largest block height. */
const BAND = 16;

/** For each height, the lowest bit of each block in the marks of a band. */
const LOWEST_BITS: Readonly<Record<BlockHeight, number>> = {
  1: 0xffff,
  2: 0x5555,
  4: 0x1111,
  8: 0x0101,
  16: 0x0001,
};

/** Counts the occupied parts of a weight. */
export function occupancyOf(weight: Float32Array, [rows, columns]: MatrixShape): Occupancy {
  const bits = bitsOf(weight);
  const marks = new Uint16Array(columns);
  const inColumn = new Uint16Array(columns);
  const counts = new Float64Array(BLOCK_HEIGHTS.length);
  let occupiedRows = 0;
  for (let first = 0; first < rows; first += BAND) {
    const end = Math.min(rows, first + BAND);
    markBandInto(bits, first, end, marks);
    occupiedRows += bitCount(addBandInto(marks, counts, inColumn));
  }
  const heights = BLOCK_HEIGHTS.filter((height) => rows % height === 0);
  return {
    blocks: new Map(heights.map((height) => [height, counts[BLOCK_HEIGHTS.indexOf(height)] ?? 0])),
    rows: occupiedRows,
    columns: inColumn.reduce((sum, mark) => sum + Number(mark !== 0), 0),
  };
}

/** Sets bit r of the marks of each column if the element in the r-th row of the band is not zero. */
function markBandInto(
  bits: Uint32Array | Uint16Array,
  first: number,
  end: number,
  marks: Uint16Array,
): void {
  marks.fill(0);
  let at = first * marks.length;
  for (let bit = 1, row = first; row < end; row++, bit <<= 1) {
    // The positions of zeros look random, so a branch on them would often be mispredicted. The shift drops the sign.
    for (let column = 0; column < marks.length; column++, at++)
      marks[column] |= -Number(bits[at] << 1 !== 0) & bit;
  }
}

/** Adds the occupied blocks of a band to `counts`, and its columns to `inColumn`. Returns the marks of its rows. */
function addBandInto(marks: Uint16Array, counts: Float64Array, inColumn: Uint16Array): number {
  let inRows = 0;
  let [ones, twos, fours, eights, sixteens] = [0, 0, 0, 0, 0];
  for (let column = 0; column < marks.length; column++) {
    const mark = marks[column];
    if (mark === 0) continue;
    inRows |= mark;
    inColumn[column] |= mark;
    // Bit r of each line tells whether one of the rows from r is occupied, for 2, 4, 8 and 16 rows.
    const two = mark | (mark >>> 1);
    const four = two | (two >>> 2);
    const eight = four | (four >>> 4);
    ones += bitCount(mark);
    twos += bitCount(two & LOWEST_BITS[2]);
    fours += bitCount(four & LOWEST_BITS[4]);
    eights += bitCount(eight & LOWEST_BITS[8]);
    sixteens++;
  }
  for (const [i, count] of [ones, twos, fours, eights, sixteens].entries()) counts[i] += count;
  return inRows;
}

/** Counts the ones among the lowest 16 bits. */
function bitCount(bits: number): number {
  const pairs = bits - ((bits >>> 1) & 0x5555);
  const nibbles = (pairs & 0x3333) + ((pairs >>> 2) & 0x3333);
  const bytes = (nibbles + (nibbles >>> 4)) & 0x0f0f;
  return (bytes + (bytes >>> 8)) & 0x1f;
}
