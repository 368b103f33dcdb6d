/**
 * Float32 sums, added in the same order as in PyTorch's CPU kernels (aten/src/ATen/native/cpu/SumKernel.cpp, with
 * eight-lane vectors). A block's score is such a sum, and one unit in its last place can decide which of two blocks is
 * pruned.
 */

/** The number of float32 lanes in a vector register. */
const LANES = 8;
/** The number of running sums that PyTorch's kernels interleave. */
const ROWS_IN_FLIGHT = 4;

/** The base-2 logarithm of the number of values after which a partial sum moves up one level. */
function levelPower(count: number): number {
  const ceilLog2 = count <= 2 ? 1 : 32 - Math.clz32(count - 1);
  return Math.max(4, Math.trunc(ceilLog2 / 4));
}

/**
 * Sums `count` values that lie `stride` elements apart, with four levels of partial sums (PyTorch: `multi_row_sum`).
 */
function cascadeSum(values: Float32Array, start: number, stride: number, count: number): number {
  const power = levelPower(count);
  const run = 1 << power;
  let level0 = 0;
  let level1 = 0;
  let level2 = 0;
  let level3 = 0;
  let i = 0;
  while (i + run <= count) {
    for (let j = 0; j < run; j++, i++) level0 = Math.fround(level0 + values[start + i * stride]);
    level1 = Math.fround(level1 + level0);
    level0 = 0;
    if ((i & ((run - 1) << power)) !== 0) continue;
    level2 = Math.fround(level2 + level1);
    level1 = 0;
    if ((i & ((run - 1) << (2 * power))) !== 0) continue;
    level3 = Math.fround(level3 + level2);
    level2 = 0;
  }
  for (; i < count; i++) level0 = Math.fround(level0 + values[start + i * stride]);
  return Math.fround(Math.fround(Math.fround(level0 + level1) + level2) + level3);
}

/**
 * Sums `count` values that lie `stride` elements apart, in four interleaved running sums that are added at the end
 * (PyTorch: `row_sum`).
 */
function interleavedSum(
  values: Float32Array,
  start: number,
  stride: number,
  count: number,
): number {
  const quarter = Math.floor(count / ROWS_IN_FLIGHT);
  let sum = cascadeSum(values, start, stride * ROWS_IN_FLIGHT, quarter);
  for (let i = quarter * ROWS_IN_FLIGHT; i < count; i++)
    sum = Math.fround(sum + values[start + i * stride]);
  for (let k = 1; k < ROWS_IN_FLIGHT; k++) {
    const partial = cascadeSum(values, start + k * stride, stride * ROWS_IN_FLIGHT, quarter);
    sum = Math.fround(sum + partial);
  }
  return sum;
}

/** Sums `count` consecutive values, lane by lane if they fill a vector register (PyTorch: `vectorized_inner_sum`). */
export function sumNeighbours(values: Float32Array, start: number, count: number): number {
  if (count < LANES) return interleavedSum(values, start, 1, count);
  const vectors = Math.floor(count / LANES);
  let sum = 0;
  for (let i = vectors * LANES; i < count; i++) sum = Math.fround(sum + values[start + i]);
  for (let lane = 0; lane < LANES; lane++)
    sum = Math.fround(sum + interleavedSum(values, start + lane, LANES, vectors));
  return sum;
}

/**
 * Sums one column of a row-major matrix with `count` rows and `width` columns (PyTorch: `vectorized_outer_sum`,
 * `scalar_outer_sum`). Columns in a full group of vector registers are summed in one sequence, all others in four
 * interleaved running sums.
 */
export function sumColumn(
  values: Float32Array,
  width: number,
  count: number,
  column: number,
): number {
  if (width === 1) return sumNeighbours(values, 0, count);
  const group = width >= LANES ? LANES * ROWS_IN_FLIGHT : ROWS_IN_FLIGHT;
  const inWholeGroup = column < width - (width % group);
  return inWholeGroup
    ? cascadeSum(values, column, width, count)
    : interleavedSum(values, column, width, count);
}

const bits = new Int32Array(1);
const float = new Float32Array(bits.buffer);

/** Rounds a number to the nearest bfloat16 number, ties to even. */
export function roundToBfloat16(value: number): number {
  float[0] = value;
  const word = bits[0];
  bits[0] = (word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000;
  return float[0];
}
