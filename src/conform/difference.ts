/** Where a replay and its vector first part, as data: every family of vectors states it in this form. */

/** A compared value as JSON can state it: NaN and the infinities are texts. */
export type StatedValue = number | string | boolean | null;

/** What is compared: a quantity, such as `mask`, with the step and the layer it belongs to. */
export interface Place {
  readonly step?: number;
  readonly layer?: string;
  readonly quantity: string;
}

/** The first entry that differs. */
export interface Difference {
  /** The step it belongs to; null for what belongs to none. */
  readonly step: number | null;
  /** The layer it belongs to; null for what belongs to none. */
  readonly layer: string | null;
  readonly quantity: string;
  /** Its flat index; null for a quantity that is no list. */
  readonly index: number | null;
  readonly expected: StatedValue;
  readonly got: StatedValue;
  /** How far apart the two may lie; null where they must be equal. */
  readonly within: number | null;
}

/** How far a value may lie from the expected one: `absolute + relative * max |expected|`. */
export interface Tolerance {
  readonly absolute?: number;
  /** Relative to the largest magnitude of the expected tensor. */
  readonly relative?: number;
}

type Comparable = number | bigint | string | boolean | null | undefined;

/** A value in the form that differences state. */
function stated(value: Comparable): StatedValue {
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "bigint" || value === undefined ? String(value) : value;
}

/** A difference in `where`: of a place, or of a quantity that belongs to no step and no layer. */
export function differenceAt(
  where: Place | string,
  expected: Comparable,
  got: Comparable,
  index: number | null = null,
  within: number | null = null,
): Difference {
  const {
    step = null,
    layer = null,
    quantity,
  } = typeof where === "string" ? { quantity: where } : where;
  return { step, layer, quantity, index, expected: stated(expected), got: stated(got), within };
}

/** The one line of text for a difference: `step 3, layer a, mask[5]: expected 1, got 0`. */
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

function lengthDifference(
  where: Place | string,
  expected: number,
  got: number,
): Difference | undefined {
  if (expected === got) return undefined;
  const place = typeof where === "string" ? { quantity: where } : where;
  return differenceAt({ ...place, quantity: `${place.quantity} length` }, expected, got);
}

function isSame(expected: unknown, got: unknown): boolean {
  return expected === got || Object.is(expected, got);
}

/** First index at which two sequences are not the same value (NaN equals NaN, +0 equals -0). */
export function exactDifference<T extends Comparable>(
  where: Place | string,
  expected: ArrayLike<T>,
  got: ArrayLike<T>,
): Difference | undefined {
  const common = Math.min(expected.length, got.length);
  for (let i = 0; i < common; i++) {
    if (!isSame(expected[i], got[i])) return differenceAt(where, expected[i], got[i], i);
  }
  return lengthDifference(where, expected.length, got.length);
}

/** The difference between two single values, unless they are the same. */
export function valueDifference<T extends Comparable>(
  where: Place | string,
  expected: T,
  got: T,
): Difference | undefined {
  return isSame(expected, got) ? undefined : differenceAt(where, expected, got);
}

/** The difference between two single numbers that lie further apart than `tolerance` allows. */
export function numberDifference(
  where: Place | string,
  expected: number,
  got: number,
  tolerance: Tolerance,
): Difference | undefined {
  const difference = tensorDifference(where, [expected], [got], tolerance);
  return difference && { ...difference, index: null };
}

/**
 * First index at which `got` is further from `expected` than `tolerance` allows. A NaN matches only a
 * NaN, an infinity only itself.
 */
export function tensorDifference(
  where: Place | string,
  expected: ArrayLike<number>,
  got: ArrayLike<number>,
  tolerance: Tolerance,
): Difference | undefined {
  const wrongLength = lengthDifference(where, expected.length, got.length);
  if (wrongLength !== undefined) return wrongLength;
  const allowed =
    (tolerance.absolute ?? 0) + (tolerance.relative ?? 0) * largestMagnitude(expected);
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] as number;
    const have = got[i] as number;
    const close = Object.is(want, have) || Math.abs(want - have) <= allowed;
    if (!close) return differenceAt(where, want, have, i, allowed);
  }
  return undefined;
}

/** The first difference that `compare` finds, item after item. */
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

/** The largest finite magnitude in `values`; 0 when there is none. */
export function largestMagnitude(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude > largest && magnitude !== Number.POSITIVE_INFINITY) largest = magnitude;
  }
  return largest;
}
