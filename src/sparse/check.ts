/** Checks that the arrays of a packed matrix are consistent, for example if they were read from a file. */
import type { Problem } from "../core/either.ts";
import { fromBfloat16 } from "../core/half.ts";
import { type BitmaskMatrix, isSet } from "./bitmask.ts";
import { type BlockMatrix, type BlockPositions, type BlockShape, blockGrid } from "./blocks.ts";
import { bitsOf, type MatrixShape } from "./elements.ts";
import { type GroupMatrix, groupSizes, positionBits, readPosition } from "./groups.ts";
import type { BlockInt8Matrix, Int8Matrix } from "./int8.ts";
import { checkLayout, type PackedMatrix } from "./layout.ts";
import type { QuantizedMatrix } from "./quantized.ts";

/** The bits of +infinity in bfloat16. As unsigned integers, the bits of NaN and of negative numbers are larger. */
const BFLOAT16_INFINITY = 0x7f80;

type Report = (path: string, expected: string, got: unknown) => void;

function lengthHolds(report: Report, name: string, length: number, expected: number): boolean {
  if (length !== expected) report(name, `${expected} elements`, length);
  return length === expected;
}

/**
 * Whether the numbers at indices from `first` to `last` - 1 are ascending and below `end`. Reports the first number for
 * which this does not hold.
 */
function ascends(
  report: Report,
  name: string,
  numbers: Uint16Array | Uint32Array,
  [first, last]: readonly [number, number],
  end: number,
): boolean {
  for (let i = first; i < last; i++) {
    const least = i === first ? 0 : numbers[i - 1] + 1;
    const number = numbers[i];
    if (number >= least && number < end) continue;
    report(`${name}[${i}]`, `a number from ${least} to ${end - 1}`, number);
    return false;
  }
  return true;
}

function keptBlocksHold(report: Report, kept: BlockPositions): boolean {
  const { shape, block, starts, columns } = kept;
  const [blockRows, blockColumns] = blockGrid(shape, block);
  if (!lengthHolds(report, "starts", starts.length, blockRows + 1)) return false;
  if (starts[0] !== 0) {
    report("starts[0]", "0", starts[0]);
    return false;
  }
  for (let row = 0; row < blockRows; row++) {
    const [first, last] = [starts[row], starts[row + 1]];
    if (last < first || last > columns.length) {
      report(`starts[${row + 1}]`, `a number from ${first} to ${columns.length}`, last);
      return false;
    }
    if (!ascends(report, "columns", columns, [first, last], blockColumns)) return false;
  }
  return lengthHolds(report, "columns", columns.length, starts[blockRows]);
}

/** Whether the stored elements beyond the edges of the matrix are zero. Reports the first that is not. */
function edgesHold(
  report: Report,
  matrix: BlockMatrix | QuantizedMatrix | BlockInt8Matrix,
): boolean {
  const { shape, block, starts, columns, values } = matrix;
  const [height, width] = block;
  if (shape[0] % height === 0 && shape[1] % width === 0) return true;
  const words = values instanceof Int8Array ? values : bitsOf(values);
  for (let blockRow = 0; blockRow + 1 < starts.length; blockRow++) {
    for (let index = starts[blockRow]; index < starts[blockRow + 1]; index++)
      for (let i = 0; i < height * width; i++) {
        const row = blockRow * height + Math.floor(i / width);
        const column = columns[index] * width + (i % width);
        const at = index * height * width + i;
        if ((row < shape[0] && column < shape[1]) || words[at] === 0) continue;
        report(`values[${at}]`, "zero beyond the matrix's edge", values[at]);
        return false;
      }
  }
  return true;
}

/** Checks integers and their scales, of which there are `count`. */
function integersHold(
  report: Report,
  { values, scales }: QuantizedMatrix | Int8Matrix,
  count: number,
): void {
  const least = values.indexOf(-128);
  if (least >= 0) report(`values[${least}]`, "a number from -127 to 127", -128);
  if (!lengthHolds(report, "scales", scales.length, count)) return;
  const wrong = scales.findIndex((bits) => bits >= BFLOAT16_INFINITY);
  if (wrong < 0) return;
  const got = fromBfloat16(scales[wrong]);
  report(`scales[${wrong}]`, "a finite number, positive or +0", Object.is(got, -0) ? "-0" : got);
}

function groupsHold(report: Report, matrix: GroupMatrix): boolean {
  const { shape, prune, of, values, indices } = matrix;
  const sizes = groupSizes(shape, matrix);
  if (!lengthHolds(report, "values", values.length, sizes.values)) return false;
  if (!lengthHolds(report, "indices", indices.length, sizes.indexBytes)) return false;
  const [kept, groups, width] = [of - prune, Math.ceil(shape[1] / of), positionBits(of)];
  const words = bitsOf(values);
  for (let slot = 0; slot < values.length; slot++) {
    const position = readPosition(indices, slot, width);
    const least = slot % kept === 0 ? 0 : readPosition(indices, slot - 1, width) + 1;
    if (position < least || position >= of) {
      report(`indices[${slot}]`, `a position from ${least} to ${of - 1}`, position);
      return false;
    }
    const column = (Math.floor(slot / kept) % groups) * of + position;
    if (column < shape[1] || words[slot] === 0) continue;
    report(`values[${slot}]`, "zero beyond the matrix's edge", values[slot]);
    return false;
  }
  return true;
}

/** Whether there is a bit for each of `count` elements or blocks, and none beyond the last. */
function bitsHold(report: Report, bits: Uint8Array, count: number, what: string): boolean {
  if (!lengthHolds(report, "bits", bits.length, Math.ceil(count / 8))) return false;
  for (let i = count; i < bits.length * 8; i++) {
    if (!isSet(bits, i)) continue;
    report(`bits[${i >>> 3}]`, `no bit beyond the last ${what}`, bits[i >>> 3]);
    return false;
  }
  return true;
}

function bitmaskHolds(report: Report, { shape, bits, values }: BitmaskMatrix): boolean {
  const count = shape[0] * shape[1];
  if (!bitsHold(report, bits, count, "element")) return false;
  let set = 0;
  for (let i = 0; i < count; i++) set += Number(isSet(bits, i));
  return lengthHolds(report, "values", values.length, set);
}

/** Finds the problems of the bits that state the kept blocks of a matrix. */
export function blockBitsProblems(
  shape: MatrixShape,
  block: BlockShape,
  bits: Uint8Array,
): readonly Problem[] {
  const problems: Problem[] = [];
  const [blockRows, blockColumns] = blockGrid(shape, block);
  bitsHold(reportTo(problems), bits, blockRows * blockColumns, "block");
  return problems;
}

function reportTo(problems: Problem[]): Report {
  return (path, expected, got) => {
    problems.push({ path, expected, got: String(got) });
  };
}

/**
 * Finds the problems of a packed matrix: wrong lengths, indices out of order or out of range, and non-zero values
 * beyond its edges. Only the first problem of each array is reported.
 *
 * @returns problems whose paths name the arrays; an empty list if the matrix can be unpacked
 * @example
 * ```ts
 * import { packBlocks, packedProblems } from "espalier/sparse";
 *
 * const packed = packBlocks(Float32Array.of(1, 2), [1, 2], [1, 1]);
 * console.assert(packedProblems(packed).length === 0);
 * const [problem] = packedProblems({ ...packed, columns: Uint16Array.of(1, 0) });
 * console.assert(problem?.path === "columns[1]" && problem.got === "0");
 * ```
 */
export function packedProblems(matrix: PackedMatrix): readonly Problem[] {
  checkLayout("matrix", matrix);
  const problems: Problem[] = [];
  const report = reportTo(problems);
  switch (matrix.layout) {
    case "blocks":
    case "quantized": {
      const { block, columns, values } = matrix;
      if (!keptBlocksHold(report, matrix)) break;
      const count = columns.length * block[0] * block[1];
      if (lengthHolds(report, "values", values.length, count)) edgesHold(report, matrix);
      if (matrix.layout === "quantized") integersHold(report, matrix, columns.length);
      break;
    }
    case "int8": {
      const { shape, block, values } = matrix;
      if (block !== null && !keptBlocksHold(report, matrix)) break;
      const count =
        block === null ? shape[0] * shape[1] : matrix.columns.length * block[0] * block[1];
      if (!lengthHolds(report, "values", values.length, count)) break;
      if (block !== null) edgesHold(report, matrix);
      integersHold(report, matrix, shape[0]);
      break;
    }
    case "groups":
      groupsHold(report, matrix);
      break;
    case "bitmask":
      bitmaskHolds(report, matrix);
      break;
    case "channels": {
      const { shape, rows, columns, values } = matrix;
      const inRange =
        ascends(report, "rows", rows, [0, rows.length], shape[0]) &&
        ascends(report, "columns", columns, [0, columns.length], shape[1]);
      if (inRange) lengthHolds(report, "values", values.length, rows.length * columns.length);
      break;
    }
    default:
      matrix satisfies never;
  }
  return problems;
}
