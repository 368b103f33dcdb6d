/**
 * What replaying one golden vector found. Every family of vectors yields these, so that whoever
 * prints them needs to know no family.
 */

/** The result of one vector: a case directory, a row of a table or a line of a case file. */
export interface Verdict {
  readonly name: string;
  readonly family: string;
  readonly passed: boolean;
  /** The first difference, as a line of text; present when the vector failed. */
  readonly detail?: string;
}

/** How many vectors passed and failed. */
export interface VerdictCounts {
  readonly passed: number;
  readonly failed: number;
}

/** A verdict from the first difference found, or from `undefined` when there is none. */
export function verdictOf(family: string, name: string, difference: string | undefined): Verdict {
  return difference === undefined
    ? { name, family, passed: true }
    : { name, family, passed: false, detail: difference };
}

/**
 * Runs one vector: `check` returns its first difference or `undefined`. An error thrown on the way is
 * a failure of that vector, not of the replay.
 */
export function judge(family: string, name: string, check: () => string | undefined): Verdict {
  try {
    return verdictOf(family, name, check());
  } catch (error) {
    return verdictOf(family, name, error instanceof Error ? error.message : String(error));
  }
}

/** Counts verdicts. */
export function countVerdicts(verdicts: Iterable<Verdict>): VerdictCounts {
  let passed = 0;
  let failed = 0;
  for (const verdict of verdicts) {
    if (verdict.passed) passed++;
    else failed++;
  }
  return { passed, failed };
}

/** One verdict as a line: `ok   family name` or `FAIL family name: first difference`. */
export function formatVerdict(verdict: Verdict): string {
  const subject = `${verdict.family} ${verdict.name}`;
  return verdict.passed ? `ok   ${subject}` : `FAIL ${subject}: ${verdict.detail ?? "differs"}`;
}

/** The closing line of a replay. */
export function formatCounts(counts: VerdictCounts): string {
  return `${counts.passed} passed, ${counts.failed} failed`;
}

/** How far a value may lie from the expected one: `absolute + relative * max |expected|`. */
export interface Tolerance {
  readonly absolute?: number;
  /** Relative to the largest magnitude of the expected tensor. */
  readonly relative?: number;
}

/** First index at which two sequences are not the same value (NaN equals NaN, +0 equals -0). */
export function exactDifference<T extends number | bigint | string | boolean | null>(
  label: string,
  expected: ArrayLike<T>,
  got: ArrayLike<T>,
): string | undefined {
  const common = Math.min(expected.length, got.length);
  for (let i = 0; i < common; i++) {
    const same = expected[i] === got[i] || Object.is(expected[i], got[i]);
    if (!same) return `${label}[${i}]: expected ${expected[i]}, got ${got[i]}`;
  }
  return lengthDifference(label, expected.length, got.length);
}

/**
 * First index at which `got` is further from `expected` than `tolerance` allows. A NaN matches only a
 * NaN, an infinity only itself.
 */
export function tensorDifference(
  label: string,
  expected: ArrayLike<number>,
  got: ArrayLike<number>,
  tolerance: Tolerance,
): string | undefined {
  const wrongLength = lengthDifference(label, expected.length, got.length);
  if (wrongLength !== undefined) return wrongLength;
  const allowed =
    (tolerance.absolute ?? 0) + (tolerance.relative ?? 0) * largestMagnitude(expected);
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] as number;
    const have = got[i] as number;
    const close = Object.is(want, have) || Math.abs(want - have) <= allowed;
    if (!close) return `${label}[${i}]: expected ${want} within ${allowed}, got ${have}`;
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

function lengthDifference(label: string, expected: number, got: number): string | undefined {
  return expected === got ? undefined : `${label}: expected ${expected} entries, got ${got}`;
}
