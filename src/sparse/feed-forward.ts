import { checkInteger, checkLength } from "../core/checks.ts";

/** A feed-forward sub-layer: hidden = activation(W1 x + b1), y = W2 hidden + b2. */
interface FeedForward {
  /** [hidden, width] */
  readonly expand: Float32Array;
  /** [hidden] */
  readonly expandBias: Float32Array;
  /** [width, hidden] */
  readonly contract: Float32Array;
  readonly hidden: number;
  readonly width: number;
}

interface CompactedFeedForward extends FeedForward {
  /** The number of units whose row of W1 is zero, so that they only add a constant. */
  readonly constant: number;
}

/**
 * Removes hidden units without effect: those whose output is never read (a zero column of W2) or always zero (a zero
 * row of W1 and bias 0, with GELU or ReLU). A unit with a zero row of W1 and a non-zero bias only adds a constant. It
 * stays, because adding the constant to b2 would round differently. Returns the given arrays if nothing is removed.
 *
 * @throws RangeError for a size that is not a positive integer, or an array whose length does not match the sizes
 */
export function compactFeedForward(layer: FeedForward): CompactedFeedForward {
  const { expand, expandBias, contract, hidden, width } = layer;
  checkInteger("hidden", hidden, 1);
  checkInteger("width", width, 1);
  checkLength("expand", expand, hidden * width);
  checkLength("expandBias", expandBias, hidden);
  checkLength("contract", contract, width * hidden);
  const reached = (unit: number): boolean => {
    for (let i = unit * width; i < (unit + 1) * width; i++) if (expand[i] !== 0) return true;
    return false;
  };
  const isRead = nonZeroColumns(contract, hidden);
  const kept: number[] = [];
  let constant = 0;
  for (let unit = 0; unit < hidden; unit++) {
    if (isRead[unit] === 0) continue;
    const isReached = reached(unit);
    if (!isReached && expandBias[unit] === 0) continue;
    if (!isReached) constant++;
    kept.push(unit);
  }
  // A layer needs at least one unit.
  if (kept.length === 0) kept.push(0);
  if (kept.length === hidden) return { ...layer, constant };
  const smaller = new Float32Array(kept.length * width);
  const narrower = new Float32Array(width * kept.length);
  kept.forEach((unit, i) => {
    smaller.set(expand.subarray(unit * width, (unit + 1) * width), i * width);
    for (let row = 0; row < width; row++)
      narrower[row * kept.length + i] = contract[row * hidden + unit];
  });
  return {
    expand: smaller,
    expandBias: Float32Array.from(kept, (unit) => expandBias[unit]),
    contract: narrower,
    hidden: kept.length,
    width,
    constant,
  };
}

/** Marks the columns of a row-major matrix that have an element other than zero. */
function nonZeroColumns(data: Float32Array, columns: number): Uint8Array {
  const marks = new Uint8Array(columns);
  let left = columns;
  // Row by row, because most columns are marked by one of the first rows.
  for (let first = 0; first < data.length && left > 0; first += columns) {
    for (let column = 0; column < columns; column++) {
      if (marks[column] !== 0 || data[first + column] === 0) continue;
      marks[column] = 1;
      left--;
    }
  }
  return marks;
}
