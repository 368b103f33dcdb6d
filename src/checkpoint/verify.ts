/** Verifies that weights obey a sparsity pattern, by checking every element. */
import {
  checkKind,
  checkList,
  checkNumber,
  checkObject,
  checkOptions,
  checkRecords,
  isTypedArray,
  mismatch,
} from "../core/checks.ts";
import { sumOf } from "../core/sum.ts";
import { elementCount } from "../prune/layer.ts";
import {
  type BlockLayout,
  columnOffset,
  formatPattern,
  layOut,
  type Pattern,
  readPattern,
} from "../prune/pattern.ts";

/** The pattern to verify, and how strictly. */
export interface VerifyOptions {
  /** The pattern, as text such as `"4x1"`, `"1xchannel"` or `"2:4"`, or as a {@link Pattern}. */
  readonly pattern: string | Pattern;
  /**
   * Whether an N:M pattern requires exactly N zeros in every group, and a block pattern allows no block with both zeros
   * and other values. Default false.
   */
  readonly exact?: boolean;
  /** Elements with at most this magnitude count as zero. Default 0. */
  readonly tolerance?: number;
}

/** A layer's weight for {@link verifyWeight}. */
export interface VerifiedWeight {
  readonly name: string;
  /** The shape by kind of layer: linear [out, in]; conv1d [out, in, k]; conv2d [out, in, kh, kw]. */
  readonly shape: readonly number[];
  /**
   * The elements in row-major order. Pass F64 weights as a Float64Array, because tiny values would become zero if they
   * were rounded to 32 bits.
   */
  readonly data: WeightValues;
}

export type WeightValues = Float32Array | Float64Array;

/**
 * The first row and column of a block or group that violates the pattern. Row and column refer to the weight as a
 * matrix [out, in x kernel].
 */
interface Violation {
  readonly layer: string;
  readonly row: number;
  readonly column: number;
  readonly expected: string;
  readonly got: string;
}

/** The verdict on one layer. For an N:M pattern, a block is a group of M weights. */
export interface LayerVerdict {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly zeros: number;
  readonly blocks: number;
  /** The number of blocks of zeros; for N:M, of groups with at least N zeros. */
  readonly sparseBlocks: number;
  /** The number of blocks with both zeros and other values; for N:M, of groups with more than N zeros. */
  readonly partialBlocks: number;
  /** The number of elements outside whole blocks, if the pattern does not divide the layer. They are not checked. */
  readonly remainder: number;
  readonly violation: Violation | null;
}

/** The verdict on all layers. */
export interface PatternVerdict {
  readonly pattern: string;
  readonly exact: boolean;
  readonly tolerance: number;
  readonly layers: readonly LayerVerdict[];
  readonly total: Omit<LayerVerdict, "name" | "shape" | "violation">;
  /** The first violation in the order of layers, rows and columns. */
  readonly violation: Violation | null;
}

/** Describes a violation: the expected block, and the block found. */
function describeFault(pattern: Pattern, size: number, zeros: number, exact: boolean) {
  if (pattern.kind === "group") {
    const expected = `${exact ? "exactly" : "at least"} ${pattern.prune} zeros of ${pattern.of}`;
    return { expected, got: String(zeros) };
  }
  return { expected: "a block of zeros or of values", got: `${zeros} zeros of ${size}` };
}

/** Counts the elements within `tolerance` of zero in the block at (`row`, `column`). */
function zerosOfBlock(
  layout: BlockLayout,
  data: WeightValues,
  row: number,
  column: number,
  tolerance: number,
): number {
  let zeros = 0;
  for (let r = row; r < row + layout.blockHeight; r++)
    for (let c = column; c < column + layout.blockWidth; c++)
      zeros += Number(Math.abs(data[r * layout.columns + columnOffset(layout, c)]) <= tolerance);
  return zeros;
}

function checkValues(name: string, data: WeightValues, count: number): void {
  const isValues = isTypedArray(data, "Float32Array") || isTypedArray(data, "Float64Array");
  checkKind(isValues, name, "a Float32Array or a Float64Array", data);
  if (data.length !== count) throw new RangeError(mismatch(name, `${count} elements`, data.length));
}

function countZeros(data: WeightValues, tolerance: number): number {
  let zeros = 0;
  // The positions of zeros look random, so a branch on them would often be mispredicted.
  for (let i = 0; i < data.length; i++) zeros += Number(Math.abs(data[i]) <= tolerance);
  return zeros;
}

/**
 * Verifies every block of one weight.
 *
 * @throws TypeError or RangeError for an invalid option or weight
 *
 * @example
 * ```ts
 * import { verifyWeight } from "espalier/checkpoint";
 *
 * const data = Float32Array.of(0, 0, 3, 4, 0, 2, 3, 4);
 * const verdict = verifyWeight({ name: "fc", shape: [2, 4], data }, { pattern: "2:4" });
 * console.assert(verdict.sparseBlocks === 1 && verdict.violation?.row === 1);
 * ```
 */
export function verifyWeight(weight: VerifiedWeight, options: VerifyOptions): LayerVerdict {
  checkWeight(weight);
  checkOptions("options", options, OPTIONS);
  const { exact = false, tolerance = 0 } = options;
  const pattern = readPattern(options.pattern);
  checkNumber("tolerance", tolerance, 0);
  const { name, shape, data } = weight;
  checkValues(name, data, elementCount(shape));
  const layout = layOut(pattern, weight);
  const { blockHeight, blockWidth, blockRows, blockColumns } = layout;
  const size = blockHeight * blockWidth;
  const isGroups = pattern.kind === "group";
  let [sparseBlocks, partialBlocks] = [0, 0];
  let violation: Violation | null = null;
  for (let i = 0; i < blockRows; i++) {
    for (let j = 0; j < blockColumns; j++) {
      const [row, column] = [i * blockHeight, j * blockWidth];
      const zeros = zerosOfBlock(layout, data, row, column, tolerance);
      const isSparse = isGroups ? zeros >= pattern.prune : zeros === size;
      const isPartial = isGroups ? zeros > pattern.prune : zeros > 0 && zeros < size;
      if (isSparse) sparseBlocks++;
      if (isPartial) partialBlocks++;
      const isWrong = (isGroups && !isSparse) || (exact && isPartial);
      if (isWrong)
        violation ??= { layer: name, row, column, ...describeFault(pattern, size, zeros, exact) };
    }
  }
  const blocks = blockRows * blockColumns;
  const remainder = data.length - blocks * size;
  const counts = { elements: data.length, zeros: countZeros(data, tolerance) };
  return { name, shape, ...counts, blocks, sparseBlocks, partialBlocks, remainder, violation };
}

/** Combines the verdicts on single layers into a verdict on all layers. */
export function joinVerdicts(
  layers: readonly LayerVerdict[],
  options: VerifyOptions,
): PatternVerdict {
  const { exact = false, tolerance = 0 } = options;
  return {
    pattern: formatPattern(readPattern(options.pattern)),
    exact,
    tolerance,
    layers,
    total: {
      elements: sumOf(layers, ({ elements }) => elements),
      zeros: sumOf(layers, ({ zeros }) => zeros),
      blocks: sumOf(layers, ({ blocks }) => blocks),
      sparseBlocks: sumOf(layers, ({ sparseBlocks }) => sparseBlocks),
      partialBlocks: sumOf(layers, ({ partialBlocks }) => partialBlocks),
      remainder: sumOf(layers, ({ remainder }) => remainder),
    },
    violation: layers.find(({ violation }) => violation !== null)?.violation ?? null,
  };
}

/**
 * Verifies that weights satisfy a pattern.
 *
 * @param weights in module order
 *
 * @example
 * ```ts
 * import { verifyPattern } from "espalier/checkpoint";
 *
 * const data = Float32Array.of(0, 1, 0, 2, 0, 3, 0, 4);
 * const { total, violation } = verifyPattern([{ name: "fc", shape: [4, 2], data }], { pattern: "4x1" });
 * console.assert(violation === null && total.sparseBlocks === 1 && total.blocks === 2);
 * ```
 */
export function verifyPattern(
  weights: readonly VerifiedWeight[],
  options: VerifyOptions,
): PatternVerdict {
  checkRecords("weights", weights, "name", "shape", "data");
  checkOptions("options", options, OPTIONS);
  return joinVerdicts(
    weights.map((weight) => verifyWeight(weight, options)),
    options,
  );
}

/** Those of a whole checkpoint's proof included, whose options extend these. */
const OPTIONS = ["pattern", "exact", "tolerance", "minSparsity", "allowUncovered"];

/** Checks that a value has the form of a weight. */
export function checkWeight(weight: VerifiedWeight): void {
  checkObject("weight", weight, "name", "shape", "data");
  checkList("weight.shape", weight.shape);
}
