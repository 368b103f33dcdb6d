/**
 * Compares replayed values with recorded ones, and describes the first difference in the same form for all families.
 */

/** A compared value in a form that JSON can express: NaN and infinities are strings. */
type StatedValue = number | string | boolean | null;

/** The name of a compared quantity, such as `mask`, and the step and layer to which it belongs, if any. */
export interface Place {
  readonly step?: number;
  readonly layer?: string;
  readonly quantity: string;
}

export interface Difference {
  /** The step; null if the quantity does not belong to a step. */
  readonly step: number | null;
  /** The name of the layer; null if the quantity does not belong to a layer. */
  readonly layer: string | null;
  readonly quantity: string;
  /** The index of the value in a list; null for a single value. */
  readonly index: number | null;
  readonly expected: StatedValue;
  readonly got: StatedValue;
  /** The allowed absolute difference; null if the values must be equal. */
  readonly within: number | null;
}

/** Allows an absolute difference of `absolute + relative * max |expected|`. */
export interface Tolerance {
  readonly absolute?: number;
  readonly relative?: number;
}

type Comparable = number | bigint | string | boolean | null | undefined;

function stated(value: Comparable): StatedValue {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "bigint" || value === undefined ? String(value) : value;
}

type Where = Place | string;

export function differenceAt(
  where: Where,
  expected: Comparable,
  got: Comparable,
  index: number | null = null,
  within: number | null = null,
): Difference {
  const place: Place = typeof where === "string" ? { quantity: where } : where;
  const { step = null, layer = null, quantity } = place;
  return { step, layer, quantity, index, expected: stated(expected), got: stated(got), within };
}

/** Formats a difference as `step 3, layer a, mask[5]: expected 1, got 0`. */
export function formatDifference(difference: Difference): string {
  const { step, layer, quantity, index, expected, got, within } = difference;
  const where = [
    ...(step === null ? [] : [`step ${step}`]),
    ...(layer === null ? [] : [`layer ${layer}`]),
    index === null ? quantity : `${quantity}[${index}]`,
  ];
  const allowed = within === null ? "" : ` within ${within}`;
  return `${where.join(", ")}: expected ${expected}${allowed}, got ${got}`;
}

/** Compares two values or two lists and returns the first difference. Without a tolerance, they must be equal. */
export function compare<T extends Comparable>(
  where: Where,
  expected: T,
  got: T,
  tolerance?: Tolerance,
): Difference | undefined;
export function compare<T extends Comparable>(
  where: Where,
  expected: ArrayLike<T>,
  got: ArrayLike<T>,
  tolerance?: Tolerance | ((index: number) => number),
): Difference | undefined;
export function compare(
  where: Where,
  expected: Comparable | ArrayLike<Comparable>,
  got: Comparable | ArrayLike<Comparable>,
  tolerance?: Tolerance | ((index: number) => number),
): Difference | undefined {
  return compareAny(where, expected, got, tolerance);
}

function compareAny(
  where: Where,
  expected: Comparable | ArrayLike<Comparable>,
  got: Comparable | ArrayLike<Comparable>,
  tolerance: Tolerance | ((index: number) => number) | undefined,
): Difference | undefined {
  if (typeof expected === "object" && typeof got === "object" && expected !== null && got !== null)
    return compareLists(where, expected, got, tolerance);
  const difference = compareLists(where, [expected as Comparable], [got as Comparable], tolerance);
  return difference && { ...difference, index: null };
}

/** Compares two lists. The tolerance may depend on the index. NaN equals NaN, and +0 equals -0. */
function compareLists(
  where: Where,
  expected: ArrayLike<Comparable>,
  got: ArrayLike<Comparable>,
  tolerance: Tolerance | ((index: number) => number) | undefined,
): Difference | undefined {
  const { length } = expected;
  const place = typeof where === "string" ? { quantity: where } : where;
  const ofLength = { ...place, quantity: `${place.quantity} length` };
  const wrongLength =
    length === got.length ? undefined : differenceAt(ofLength, length, got.length);
  if (tolerance !== undefined && wrongLength !== undefined) return wrongLength;
  const allowedAt = typeof tolerance === "object" ? constantly(tolerance, expected) : tolerance;
  for (let i = 0; i < Math.min(length, got.length); i++) {
    const want = expected[i];
    const have = got[i];
    if (want === have || Object.is(want, have)) continue;
    if (allowedAt && Math.abs(Number(want) - Number(have)) <= allowedAt(i)) continue;
    return differenceAt(where, want, have, i, allowedAt?.(i));
  }
  return wrongLength;
}

function constantly(
  { absolute = 0, relative = 0 }: Tolerance,
  expected: ArrayLike<Comparable>,
): () => number {
  const allowed = absolute + relative * largestMagnitude(expected as ArrayLike<number>);
  return () => allowed;
}

/** A recorded and a computed value to compare, or a list of each. Without a tolerance, they must be equal. */
export interface Comparison {
  readonly place: Place;
  readonly expected: number | ArrayLike<number>;
  readonly got: number | ArrayLike<number>;
  /** The tolerance, which may depend on the index. */
  readonly tolerance?: Tolerance | ((index: number) => number);
}

/** Makes comparisons in turn, and returns the first difference. */
export function compareFirst(comparisons: Iterable<Comparison>): Difference | undefined {
  return firstOf(comparisons, ({ place, expected, got, tolerance }) =>
    compareAny(place, expected, got, tolerance),
  );
}

/** Calls `find` with each item in turn, and returns the first result that is not undefined. */
export function firstOf<T, R = Difference>(
  items: Iterable<T>,
  find: (item: T) => R | undefined,
): R | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the largest finite magnitude among the values; 0 if no value is finite. */
export function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude > largest && magnitude !== Number.POSITIVE_INFINITY) largest = magnitude;
  }
  return largest;
}
