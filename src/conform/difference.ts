/** The first difference between a replay and its vector, as data of one form for all families. */

/** A compared value in JSON: NaN and the infinities are texts. */
type StatedValue = number | string | boolean | null;

/** A compared quantity, such as `mask`, with its step and layer if it has them. */
export interface Place {
  readonly step?: number;
  readonly layer?: string;
  readonly quantity: string;
}

/** The first entry that differs. */
export interface Difference {
  /** Null if the quantity belongs to no step. */
  readonly step: number | null;
  /** Null if the quantity belongs to no layer. */
  readonly layer: string | null;
  readonly quantity: string;
  /** Its flat index; null for a single value. */
  readonly index: number | null;
  readonly expected: StatedValue;
  readonly got: StatedValue;
  /** The allowed distance; null if the values must be equal. */
  readonly within: number | null;
}

/** The allowed distance from the expected value: `absolute + relative * max |expected|`. */
export interface Tolerance {
  readonly absolute?: number;
  /** Relative to the largest magnitude of the expected tensor. */
  readonly relative?: number;
}

type Comparable = number | bigint | string | boolean | null | undefined;

/** A value as a difference states it. */
function stated(value: Comparable): StatedValue {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "bigint" || value === undefined ? String(value) : value;
}

/** A place, or a quantity that belongs to no step and no layer. */
type Where = Place | string;

function placeOf(where: Where): Place {
  return typeof where === "string" ? { quantity: where } : where;
}

/** A difference in one value. */
export function differenceAt(
  where: Where,
  expected: Comparable,
  got: Comparable,
  index: number | null = null,
  within: number | null = null,
): Difference {
  const { step = null, layer = null, quantity } = placeOf(where);
  return { step, layer, quantity, index, expected: stated(expected), got: stated(got), within };
}

/** A difference as a line of text: `step 3, layer a, mask[5]: expected 1, got 0`. */
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

function lengthDifference(where: Where, expected: number, got: number): Difference | undefined {
  if (expected === got) return undefined;
  const place = placeOf(where);
  return differenceAt({ ...place, quantity: `${place.quantity} length` }, expected, got);
}

function isSame(expected: unknown, got: unknown): boolean {
  return expected === got || Object.is(expected, got);
}

/** First index at which two sequences differ (NaN equals NaN, +0 equals -0). */
export function exactDifference<T extends Comparable>(
  where: Where,
  expected: ArrayLike<T>,
  got: ArrayLike<T>,
): Difference | undefined {
  const common = Math.min(expected.length, got.length);
  for (let i = 0; i < common; i++) {
    if (!isSame(expected[i], got[i])) return differenceAt(where, expected[i], got[i], i);
  }
  return lengthDifference(where, expected.length, got.length);
}

/** The difference between two single values. */
export function valueDifference<T extends Comparable>(
  where: Where,
  expected: T,
  got: T,
): Difference | undefined {
  return isSame(expected, got) ? undefined : differenceAt(where, expected, got);
}

/** The difference between two single numbers if it exceeds the tolerance. */
export function numberDifference(
  where: Where,
  expected: number,
  got: number,
  tolerance: Tolerance,
): Difference | undefined {
  const difference = tensorDifference(where, [expected], [got], tolerance);
  return difference && { ...difference, index: null };
}

/** First index at which the distance exceeds the tolerance, which may depend on the index. NaN matches NaN. */
export function tensorDifference(
  where: Where,
  expected: ArrayLike<number>,
  got: ArrayLike<number>,
  tolerance: Tolerance | ((index: number) => number),
): Difference | undefined {
  const wrongLength = lengthDifference(where, expected.length, got.length);
  if (wrongLength !== undefined) return wrongLength;
  const allowedAt = typeof tolerance === "function" ? tolerance : constantly(tolerance, expected);
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] as number;
    const have = got[i] as number;
    const close = Object.is(want, have) || Math.abs(want - have) <= allowedAt(i);
    if (!close) return differenceAt(where, want, have, i, allowedAt(i));
  }
  return undefined;
}

function constantly(
  { absolute = 0, relative = 0 }: Tolerance,
  expected: ArrayLike<number>,
): () => number {
  const allowed = absolute + relative * largestMagnitude(expected);
  return () => allowed;
}

/** The first difference among the items; later items are not compared. */
export function firstOf<T>(
  items: Iterable<T>,
  compare: (item: T) => Difference | undefined,
): Difference | undefined {
  for (const item of items) {
    const difference = compare(item);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** The largest finite magnitude in `values`; 0 if there is none. */
export function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude > largest && magnitude !== Number.POSITIVE_INFINITY) largest = magnitude;
  }
  return largest;
}
