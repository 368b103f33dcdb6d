/** The kernels under test, and ways to run one on arrays laid out to catch what it should not touch. */
import v8 from "node:v8";
import { expect } from "vitest";
import { nextUnit, openStream } from "../../src/core/random.ts";
import { availableVariants, type Backend, createBackend } from "../../src/kernels/backend.ts";
import type { Kernels, KernelVariant } from "../../src/kernels/table.ts";

// Node 20 has relaxed SIMD behind a flag, and needs another for right products of bytes; later versions need none.
if (Number.parseInt(process.versions.node, 10) < 22) {
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  v8.setFlagsFromString("--no-liftoff");
}

const available = availableVariants();

/** Every variant that runs here; the revectorized one is right without its flag, too, but slow. */
export const VARIANT_NAMES: readonly KernelVariant[] = available.includes("fma")
  ? ["revectorized", ...available]
  : available;

export const BACKENDS: readonly Backend[] = VARIANT_NAMES.map((variant) =>
  createBackend({ variant }),
);

/** The same with their names, for `describe.each`. */
export const VARIANTS: readonly (readonly [string, Backend])[] = BACKENDS.map((backend) => [
  backend.kernels.variant,
  backend,
]);

/** The relative error of one rounding to float32. */
export const EPSILON: number = 2 ** -24;

type AnyArray = Float32Array | Int32Array;
type Arrays = Readonly<Record<string, AnyArray>>;
type Copied<A extends Arrays> = {
  readonly [Name in keyof A]: A[Name] extends Int32Array ? Int32Array : Float32Array;
};

const GUARD = 8;
const SENTINEL = 12345;

/**
 * Runs a kernel on copies of `arrays` in the backend's memory and gives the copies back. They start at any
 * multiple of 4 bytes, and the elements around them have to stay as they are.
 */
export function execute<A extends Arrays>(
  { kernels, memory }: Backend,
  arrays: A,
  run: (kernels: Kernels, arrays: Copied<A>) => void,
): Copied<A> {
  const placed = Object.entries(arrays).map(([name, values], index) => {
    const start = GUARD + (index % 4);
    return { name, values, start, region: memory.allocate(start + values.length + GUARD) };
  });
  const wholes = placed.map(({ values, start, region }) => {
    const whole = values instanceof Int32Array ? memory.int32(region) : memory.float32(region);
    whole.fill(SENTINEL);
    whole.set(values, start);
    return whole;
  });
  const views = placed.map(({ name, values, start }, i) => [
    name,
    wholes[i].subarray(start, start + values.length),
  ]);
  run(kernels, Object.fromEntries(views) as Copied<A>);
  const results = placed.map(({ name, values, start, region }, i) => {
    const end = start + values.length;
    const around = [...wholes[i].subarray(0, start), ...wholes[i].subarray(end)];
    if (around.some((value) => value !== SENTINEL)) throw new Error(`wrote outside of ${name}`);
    const result = [name, wholes[i].slice(start, end)] as const;
    memory.free(region);
    return result;
  });
  return Object.fromEntries(results) as Copied<A>;
}

/** `count` floats in [low, high), the same for the same seed. */
export function randomFloats(seed: number, count: number, low = -2, high = 2): Float32Array {
  const stream = openStream(seed, count);
  return Float32Array.from({ length: count }, () => low + (high - low) * nextUnit(stream));
}

/** Expects |actual - expected| <= bound at every index; NaN only where NaN is expected. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  bound: number | ((index: number) => number),
): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i])) continue;
    const limit = typeof bound === "number" ? bound : bound(i);
    if (!(Math.abs(actual[i] - expected[i]) <= limit)) {
      throw new Error(`[${i}]: expected ${expected[i]} within ${limit}, got ${actual[i]}`);
    }
  }
}

/** The largest magnitude, at least `floor`. */
export function largest(values: ArrayLike<number>, floor = 0): number {
  let max = floor;
  for (let i = 0; i < values.length; i++) max = Math.max(max, Math.abs(values[i]));
  return max;
}
