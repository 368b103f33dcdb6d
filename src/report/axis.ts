/** Chooses the range of a plot's axis, and round numbers for its tick marks. */

/** A closed range of values, low < high. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Returns the range of the finite values, widened if they are all equal; [0, 1] if no value is finite. */
export function rangeOf(values: readonly number[]): Range {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return { low: 0, high: 1 };
  const low = finite.reduce((least, value) => Math.min(least, value));
  const high = finite.reduce((most, value) => Math.max(most, value));
  if (low < high) return { low, high };
  const margin = low === 0 ? 1 : Math.abs(low) / 2;
  return { low: low - margin, high: high + margin };
}

/** Clips a range to limits, if any are given. */
export function limitRange(range: Range, limits: Range | undefined): Range {
  return limits === undefined
    ? range
    : { low: Math.max(range.low, limits.low), high: Math.min(range.high, limits.high) };
}

/** Returns the smallest step (1, 2 or 5 times a power of ten) that divides `span` into at most `count` parts. */
function roundStep(span: number, count: number): number {
  const power = 10 ** Math.floor(Math.log10(span / count));
  const steps = [1, 2, 5, 10].map((factor) => factor * power);
  return steps.find((step) => span / step <= count + 1e-9) ?? 10 * power;
}

/** Returns the multiples of a round step in `range`. If `count` is at least 3, there are 1 to `count` + 1 of them. */
export function ticks(range: Range, count: number): readonly number[] {
  const step = roundStep(range.high - range.low, count);
  const first = Math.ceil(range.low / step - 1e-9);
  const last = Math.floor(range.high / step + 1e-9);
  // Multiples of the step have smaller rounding errors than repeated sums; toFixed removes these errors.
  const decimals = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toFixed(Math.min(decimals, 20))),
  );
}

/** Widens a range until both ends are multiples of a round step. */
export function roundRange(range: Range, count: number): Range {
  const step = roundStep(range.high - range.low, count);
  const rounded = {
    low: Math.floor(range.low / step + 1e-9) * step,
    high: Math.ceil(range.high / step - 1e-9) * step,
  };
  // The widened range may need a larger step.
  return roundStep(rounded.high - rounded.low, count) > step * (1 + 1e-9)
    ? roundRange(rounded, count)
    : rounded;
}

/** Formats the values of ticks, all with the same number of decimals. */
export function formatTicks(values: readonly number[]): readonly string[] {
  const decimals = values.reduce(
    (most, value) => Math.max(most, (String(value).split(".")[1] ?? "").length),
    0,
  );
  return values.map((value) => value.toFixed(Math.min(decimals, 8)));
}
