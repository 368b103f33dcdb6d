/** Feed-forward sub-layers that are computed with bytes, without the hidden units that need no computation. */
import { fromBfloat16 } from "../core/half.ts";
import type { BlockInt8Matrix, Int8Matrix } from "./int8.ts";

/** A feed-forward sub-layer: hidden = activation(W1 x + b1), y = W2 hidden + b2. */
interface Int8FeedForward {
  /** [hidden, width] */
  readonly expand: Int8Matrix;
  /** [hidden] */
  readonly expandBias: Float32Array;
  /** [width, hidden] */
  readonly contract: Int8Matrix;
  /** [width] */
  readonly contractBias: Float32Array;
}

/**
 * Removes hidden units whose output is never read (a zero column of W2) or constant (a zero row of W1), in whole blocks
 * of both matrices. The constants are added to b2. Returns the given layer if nothing is removed.
 *
 * @param activate - returns the activation of each element
 */
export function compactInt8FeedForward(
  layer: Int8FeedForward,
  activate: (values: Float32Array) => Float32Array,
): Int8FeedForward {
  const { expand, expandBias, contract, contractBias } = layer;
  const [units] = expand.shape;
  const [reached, read] = [new Uint8Array(units), new Uint8Array(units)];
  forEachNonZero(expand, (unit) => {
    reached[unit] = 1;
  });
  forEachNonZero(contract, (_output, unit) => {
    read[unit] = 1;
  });
  const size = leastCommonMultiple(expand.block?.[0] ?? 1, contract.block?.[1] ?? 1);
  const isLive = new Uint8Array(Math.ceil(units / size));
  for (let unit = 0; unit < units; unit++)
    isLive[Math.floor(unit / size)] |= reached[unit] & read[unit];
  // A layer needs at least one unit.
  if (!isLive.includes(1)) isLive[0] = 1;
  if (!isLive.includes(0)) return layer;
  const kept = Array.from(reached.keys()).filter((unit) => isLive[Math.floor(unit / size)] === 1);
  const constants = activate(expandBias);
  const sums = Float64Array.from(contractBias);
  forEachNonZero(contract, (output, unit, integer) => {
    if (isLive[Math.floor(unit / size)] === 0)
      sums[output] += constants[unit] * integer * fromBfloat16(contract.scales[output]);
  });
  return {
    expand: takeRows(expand, kept),
    expandBias: Float32Array.from(kept, (unit) => expandBias[unit]),
    contract: takeColumns(contract, kept),
    contractBias: Float32Array.from(sums),
  };
}

function leastCommonMultiple(a: number, b: number): number {
  let multiple = a;
  while (multiple % b !== 0) multiple += a;
  return multiple;
}

/** Visits the elements other than zero. */
function forEachNonZero(
  matrix: Int8Matrix,
  visit: (row: number, column: number, integer: number) => void,
): void {
  const { values } = matrix;
  const [rows, columns] = matrix.shape;
  if (matrix.block === null) {
    for (let row = 0, at = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, at++)
        if (values[at] !== 0) visit(row, column, values[at]);
    return;
  }
  const { starts, columns: blockColumns, block } = matrix;
  const [height, width] = block;
  for (let blockRow = 0, at = 0; blockRow + 1 < starts.length; blockRow++)
    for (let b = starts[blockRow]; b < starts[blockRow + 1]; b++)
      for (let row = blockRow * height; row < (blockRow + 1) * height; row++)
        for (let column = blockColumns[b] * width; column < (blockColumns[b] + 1) * width; column++)
          if (values[at++] !== 0) visit(row, column, values[at - 1]);
}

/** The blocks of some block rows and block columns. `columnOf` has the new number of a block column, or -1. */
function takeBlocks(
  { starts, columns, values, block }: BlockInt8Matrix,
  blockRows: readonly number[],
  columnOf: (column: number) => number,
): Pick<BlockInt8Matrix, "starts" | "columns" | "values"> {
  const size = block[0] * block[1];
  const taken = { starts: [0], columns: columns.slice(), values: values.slice() };
  let count = 0;
  for (const blockRow of blockRows) {
    for (let b = starts[blockRow]; b < starts[blockRow + 1]; b++) {
      const column = columnOf(columns[b]);
      if (column < 0) continue;
      taken.columns[count] = column;
      taken.values.set(values.subarray(b * size, (b + 1) * size), count * size);
      count++;
    }
    taken.starts.push(count);
  }
  return {
    starts: Uint32Array.from(taken.starts),
    columns: taken.columns.slice(0, count),
    values: taken.values.slice(0, count * size),
  };
}

/** The rows `kept`, which fill whole block rows. */
function takeRows(matrix: Int8Matrix, kept: readonly number[]): Int8Matrix {
  const [, columns] = matrix.shape;
  const shape = [kept.length, columns] as const;
  const scales = Uint16Array.from(kept, (row) => matrix.scales[row]);
  if (matrix.block === null) {
    const values = new Int8Array(kept.length * columns);
    kept.forEach((row, i) => {
      values.set(matrix.values.subarray(row * columns, (row + 1) * columns), i * columns);
    });
    return { ...matrix, shape, scales, values };
  }
  const [height] = matrix.block;
  const blockRows = kept.filter((row) => row % height === 0).map((row) => row / height);
  return { ...matrix, shape, scales, ...takeBlocks(matrix, blockRows, (column) => column) };
}

/** The columns `kept`, which fill whole block columns. */
function takeColumns(matrix: Int8Matrix, kept: readonly number[]): Int8Matrix {
  const [rows, columns] = matrix.shape;
  const shape = [rows, kept.length] as const;
  if (matrix.block === null) {
    const values = new Int8Array(rows * kept.length);
    for (let row = 0, at = 0; row < rows; row++)
      for (const column of kept) values[at++] = matrix.values[row * columns + column];
    return { ...matrix, shape, values };
  }
  const width = matrix.block[1];
  const newColumns = new Map(
    kept.filter((column) => column % width === 0).map((column, i) => [column / width, i]),
  );
  const blockRows = Array.from(matrix.starts.subarray(1).keys());
  const blocks = takeBlocks(matrix, blockRows, (column) => newColumns.get(column) ?? -1);
  return { ...matrix, shape, ...blocks };
}
