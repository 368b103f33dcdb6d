/**
 * Leaving out hidden units of a feed-forward sub-layer that cannot matter: its two layers become smaller, and their
 * product stays the same to the last bit but for the order of additions.
 */
import { checkInteger } from "../core/checks.ts";

/** A feed-forward sub-layer: hidden = activation(W1 x + b1), y = W2 hidden + b2. */
export interface FeedForward {
  /** [hidden, width] */
  readonly expand: Float32Array;
  /** [hidden] */
  readonly expandBias: Float32Array;
  /** [width, hidden] */
  readonly contract: Float32Array;
  readonly hidden: number;
  readonly width: number;
}

/** The sub-layer without the units that cannot matter. */
export interface CompactedFeedForward extends FeedForward {
  /** Units that could not be left out although no input reaches them: they add a constant. */
  readonly constant: number;
}

/**
 * Leaves out every hidden unit that nothing reads (its column of W2 is zero) or that is always zero: its row of W1 and
 * its bias are zero, and so is its activation (of GELU and ReLU). A unit whose row is zero but whose bias is not adds a
 * constant; folding that into b2 would round differently, so it stays, and is counted. Where nothing can be left out, the
 * arrays are the given ones, else new ones.
 *
 * @throws RangeError for a size that is no positive integer, or an array of another length
 *
 * @example
 * ```ts
 * import { compactFeedForward } from "espalier/sparse";
 *
 * const { hidden, expand, contract, constant } = compactFeedForward({
 *   expand: Float32Array.of(1, 2, 0, 0, 0, 0, 3, 4),
 *   expandBias: Float32Array.of(0, 0, 5, 0),
 *   contract: Float32Array.of(1, 1, 1, 0, 1, 1, 1, 0),
 *   hidden: 4,
 *   width: 2,
 * });
 * console.assert(hidden === 2 && constant === 1);
 * console.assert(expand.join() === "1,2,0,0" && contract.join() === "1,1,1,1");
 * ```
 */
export function compactFeedForward(layer: FeedForward): CompactedFeedForward {
  const { expand, expandBias, contract, hidden, width } = layer;
  checkInteger("hidden", hidden, 1);
  checkInteger("width", width, 1);
  checkLength("expand", expand, hidden * width);
  checkLength("expandBias", expandBias, hidden);
  checkLength("contract", contract, width * hidden);
  const reached = (unit: number): boolean =>
    expand.subarray(unit * width, (unit + 1) * width).some((value) => value !== 0);
  const read = (unit: number): boolean => {
    for (let row = 0; row < width; row++) if (contract[row * hidden + unit] !== 0) return true;
    return false;
  };
  const kept: number[] = [];
  let constant = 0;
  for (let unit = 0; unit < hidden; unit++) {
    if (!read(unit)) continue;
    const isReached = reached(unit);
    if (!isReached && expandBias[unit] === 0) continue;
    if (!isReached) constant++;
    kept.push(unit);
  }
  // A layer has at least one unit.
  if (kept.length === 0) kept.push(0);
  if (kept.length === hidden) return { ...layer, constant };
  const smaller = new Float32Array(kept.length * width);
  const narrower = new Float32Array(width * kept.length);
  kept.forEach((unit, i) => {
    smaller.set(expand.subarray(unit * width, (unit + 1) * width), i * width);
    for (let row = 0; row < width; row++)
      narrower[row * kept.length + i] = contract[row * hidden + unit] ?? 0;
  });
  const expandedBias = Float32Array.from(kept, (unit) => expandBias[unit] ?? 0);
  return {
    ...{ expand: smaller, expandBias: expandedBias, contract: narrower },
    ...{ hidden: kept.length, width, constant },
  };
}

function checkLength(name: string, { length }: Float32Array, expected: number): void {
  if (length !== expected)
    throw new RangeError(`${name}: expected ${expected} elements, got ${length}`);
}
