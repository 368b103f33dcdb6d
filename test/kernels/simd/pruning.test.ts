import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import type { PruningKernels } from "../../../src/core/pruning-kernels.ts";
import type { Backend } from "../../../src/kernels/backend.ts";
import type { Region } from "../../../src/kernels/simd/memory.ts";
import { wasmPruningKernels } from "../../../src/kernels/simd/pruning.ts";
import { createNodeBackend } from "../../../src/node/threaded-backend.ts";
import { plainKernels } from "../../../src/prune/plain-kernels.ts";
import { randomFloats, VARIANTS } from "../subjects.ts";

/** Fails where WASM falls back, so that agreement is not that of plain loops with themselves. */
const noFallback: PruningKernels = {
  updateScoresInto: () => expect.unreachable("fell back"),
  countLeadingBitsInto: () => expect.unreachable("fell back"),
  countTrailingBitsInto: () => expect.unreachable("fell back"),
  countBelow: () => expect.unreachable("fell back"),
  writeMaskInto: () => expect.unreachable("fell back"),
  applyMaskInto: () => expect.unreachable("fell back"),
};

const COMPILED = VARIANTS.filter(([name]) => name !== "scalar");

const anyFloat = fc.oneof(
  { weight: 4, arbitrary: fc.float({ noNaN: true, min: -4, max: 4 }) },
  fc.float(),
  fc.constantFrom(0, -0, 1, 1, -1, 1e-45, -1e-45, 1e-30, 3.4e38, Infinity, -Infinity, Number.NaN),
);

function floats(count: number): fc.Arbitrary<Float32Array> {
  return fc
    .array(anyFloat, { minLength: count, maxLength: count })
    .map((values) => Float32Array.from(values));
}

/** A ragged matrix of blocks with values, factors and scores. */
const matrices = fc
  .record({
    height: fc.integer({ min: 1, max: 4 }),
    rows: fc.integer({ min: 1, max: 3 }),
    columns: fc.integer({ min: 1, max: 37 }),
  })
  .chain(({ height, rows, columns }) =>
    fc.record({
      height: fc.constant(height),
      columns: fc.constant(columns),
      values: floats(height * rows * columns),
      factors: floats(height * rows * columns),
      scores: floats(rows * columns),
      threshold: anyFloat.filter((value) => !Number.isNaN(value)).map(Math.fround),
      inclusive: fc.boolean(),
    }),
  );

/** Copies an array into the backend's memory, between sentinels at any multiple of four bytes. */
function place(
  { memory }: Backend,
  values: Float32Array,
  offset: number,
  region: Region = memory.allocate(values.length + 8),
): Float32Array {
  const whole = memory.float32(region);
  whole.fill(12345);
  whole.set(values, offset);
  return whole.subarray(offset, offset + values.length);
}

/** Bytes, with every NaN the same one. */
function bytesOf(values: Float32Array): string {
  return values.map((value) => (Number.isNaN(value) ? Number.NaN : value)).join() + signs(values);
}

function signs(values: Float32Array): string {
  return Array.from(values, (value) => (Object.is(value, -0) ? "-" : "+")).join("");
}

/** Parts are worked on together where there are threads. */
const THREADED = await createNodeBackend({ threads: 3, variant: "simd" });
afterAll(() => THREADED.stop());

describe.each([...COMPILED, ["simd on three threads", THREADED] as const])("%s", (_, backend) => {
  const compiled = wasmPruningKernels(backend, noFallback);

  test("scores are those of plain loops, wherever the weights lie", () => {
    fc.assert(
      fc.property(
        matrices,
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(0, Math.fround(0.9)),
        (matrix, mean, withFactors, momentum) => {
          const { height, columns, values, factors, scores } = matrix;
          const divisor = mean ? height : 1;
          const expected = scores.slice();
          const by = withFactors ? factors : null;
          plainKernels.updateScoresInto(values, by, height, columns, divisor, momentum, expected);
          // Reserved together: a view dies when the memory grows.
          const regions = [values, factors].map((array) =>
            backend.memory.allocate(array.length + 8),
          );
          const placed = place(backend, values, 3, regions[0]);
          const placedBy = by && place(backend, by, 1, regions[1]);
          for (const [from, other] of [
            [values, by],
            [placed, placedBy],
            [placed, by],
          ] as const) {
            const actual = scores.slice();
            compiled.updateScoresInto(from, other, height, columns, divisor, momentum, actual);
            expect(bytesOf(actual)).toBe(bytesOf(expected));
          }
        },
      ),
    );
  });

  test("counts and masks are those of plain loops", () => {
    fc.assert(
      fc.property(matrices, ({ height, columns, values, scores, threshold, inclusive }) => {
        expect(compiled.countBelow(scores, threshold, inclusive)).toBe(
          plainKernels.countBelow(scores, threshold, inclusive),
        );
        const masks = [compiled, plainKernels].map((kernels) => {
          const mask = new Uint8Array(values.length).fill(7);
          kernels.writeMaskInto(scores, threshold, inclusive, height, columns, mask);
          return mask;
        });
        expect(masks[0]).toEqual(masks[1]);
        const placed = place(backend, values, 1);
        const zeroed = values.slice();
        compiled.applyMaskInto(masks[0], height, columns, placed);
        plainKernels.applyMaskInto(masks[0], height, columns, zeroed);
        expect(bytesOf(placed)).toBe(bytesOf(zeroed));
        const around = new Float32Array(placed.buffer, placed.byteOffset - 4, values.length + 2);
        expect([around[0], around[values.length + 1]]).toEqual([12345, 12345]);
      }),
    );
  });

  test("histograms are those of plain loops", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(40).chain(floats), { maxLength: 3 }), (chunks) => {
        const counted = [compiled, plainKernels].map((kernels) => {
          const leading = new Uint32Array(65536).fill(1);
          const trailing = new Uint32Array(65536);
          kernels.countLeadingBitsInto(chunks, leading);
          const [first = Float32Array.of(0)] = chunks.filter(({ length }) => length > 0);
          const bucket = new Uint32Array(first.buffer)[0] >>> 16;
          kernels.countTrailingBitsInto(chunks, bucket, trailing);
          return [leading, trailing];
        });
        expect(counted[0].map((histogram) => histogram.join())).toEqual(
          counted[1].map((histogram) => histogram.join()),
        );
      }),
      { numRuns: 20 },
    );
  });

  test("counts of zero blocks are exact, with either sign of zero", () => {
    const zeros = fc.constantFrom(0, 0, 0, -0, 1e-45, 1, Number.NaN);
    const sizes = fc.record({
      height: fc.integer({ min: 1, max: 5 }),
      rows: fc.integer({ min: 1, max: 3 }),
      columns: fc.integer({ min: 1, max: 37 }),
    });
    fc.assert(
      fc.property(sizes, fc.infiniteStream(zeros), fc.boolean(), (size, stream, anySign) => {
        const { height, rows, columns } = size;
        const values = Float32Array.from({ length: height * rows * columns }, () => {
          const { value } = stream.next();
          return value ?? 0;
        });
        const isZero = (value: number): boolean => (anySign ? value === 0 : Object.is(value, 0));
        let expected = 0;
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++) {
            const block = Array.from(
              { length: height },
              (_, i) => values[(row * height + i) * columns + column] ?? 1,
            );
            expected += Number(block.every(isZero));
          }
        const placed = place(backend, values, 1);
        for (const array of [placed, values])
          expect(compiled.countZeroBlocks?.(array, height, columns, anySign)).toBe(expected);
      }),
    );
  });

  test("counting while chunks are counted", () => {
    const chunks = [1, 2, 3].map((seed) => randomFloats(seed, 1000));
    const inner = [compiled, plainKernels].map(() => new Uint32Array(0x10000));
    const outer = [compiled, plainKernels].map(() => new Uint32Array(0x10000));
    [compiled, plainKernels].forEach((kernels, i) => {
      function* counting(): Generator<Float32Array> {
        for (const chunk of chunks) {
          kernels.countLeadingBitsInto([chunk], inner[i] ?? new Uint32Array(0));
          yield chunk;
        }
      }
      kernels.countLeadingBitsInto(counting(), outer[i] ?? new Uint32Array(0));
    });
    expect(outer[0]).toEqual(outer[1]);
    expect(inner[0]).toEqual(inner[1]);
    expect(outer[0]).toEqual(inner[0]);
  });

  test("arrays of many parts, and memory that grows between two calls", () => {
    // More parts than there are windows, with three threads, too.
    const [height, columns, rows] = [4, 1003, 30];
    const values = randomFloats(1, height * columns * rows);
    const factors = randomFloats(2, values.length);
    const [actual, expected] = [randomFloats(3, columns * rows), randomFloats(3, columns * rows)];
    for (let turn = 0; turn < 2; turn++) {
      compiled.updateScoresInto(values, factors, height, columns, 4, 0.5, actual);
      plainKernels.updateScoresInto(values, factors, height, columns, 4, 0.5, expected);
      expect(actual).toEqual(expected);
      expect(compiled.countBelow(actual, 1, true)).toBe(plainKernels.countBelow(actual, 1, true));
      const masks = [compiled, plainKernels].map((kernels) => {
        const mask = new Uint8Array(values.length);
        kernels.writeMaskInto(actual, 1, true, height, columns, mask);
        return mask;
      });
      expect(masks[0]).toEqual(masks[1]);
      backend.memory.free(backend.memory.allocate(backend.memory.usage().reserved / 2));
    }
    const regions = [values, factors].map(({ length }) => backend.memory.allocate(length + 8));
    const held = place(backend, values, 2, regions[0]);
    const heldFactors = place(backend, factors, 3, regions[1]);
    compiled.updateScoresInto(held, heldFactors, height, columns, 4, 0.5, actual);
    plainKernels.updateScoresInto(values, factors, height, columns, 4, 0.5, expected);
    expect(actual).toEqual(expected);
    // Single elements, of any number, are cut anywhere.
    const flat = [new Float32Array(40_001), new Float32Array(40_001)];
    const source = values.subarray(0, 40_001);
    compiled.updateScoresInto(source, null, 1, 40_001, 1, 0, flat[0]);
    plainKernels.updateScoresInto(source, null, 1, 40_001, 1, 0, flat[1]);
    expect(flat[0]).toEqual(flat[1]);
    const mask = Uint8Array.from({ length: 40_001 }, (_, i) => (i % 3 === 0 ? 0 : 1));
    const placed = place(backend, source, 0);
    compiled.applyMaskInto(mask, 1, 40_001, placed);
    expect(placed).toEqual(source.map((value, i) => (i % 3 === 0 ? 0 : value)));
  });

  test("a call that is refused leaves later ones their effect", () => {
    const short = new Float32Array(10);
    const scores = new Float32Array(20_000);
    expect(() => compiled.updateScoresInto(short, null, 1, 20_000, 1, 0, scores)).toThrow();
    const [actual, expected] = [new Float32Array(40), new Float32Array(40)];
    const values = randomFloats(1, 40);
    compiled.updateScoresInto(values, null, 1, 40, 1, 0, actual);
    plainKernels.updateScoresInto(values, null, 1, 40, 1, 0, expected);
    expect(actual).toEqual(expected);
  });

  test("rows of blocks too wide to be staged are left to the plain loops", () => {
    const calls: string[] = [];
    const record = (name: string) => (): void => {
      calls.push(name);
    };
    const wide = wasmPruningKernels(backend, {
      ...noFallback,
      updateScoresInto: record("update"),
      writeMaskInto: record("write"),
      applyMaskInto: record("apply"),
    });
    const scores = new Float32Array(40_000);
    const values = place(backend, new Float32Array(80_000), 0);
    const mask = new Uint8Array(80_000);
    wide.updateScoresInto(values, null, 2, 40_000, 1, 0, scores);
    wide.writeMaskInto(scores, 0, true, 2, 40_000, mask);
    wide.applyMaskInto(mask, 2, 40_000, values);
    wide.applyMaskInto(mask, 1, 80_000, new Float32Array(80_000));
    expect(calls).toEqual(["update", "write", "apply", "apply"]);
  });
});

test("scalar backends have the plain loops", () => {
  const scalar = VARIANTS.find(([name]) => name === "scalar")?.[1] as Backend;
  expect(wasmPruningKernels(scalar, plainKernels)).toBe(plainKernels);
});
