import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addBatch,
  addBatchInto,
  type CalibrationBatch,
  createStatistics,
  type LayerStatistics,
  mergeStatistics,
} from "../../src/calibrate/statistics.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { gramOf } from "../../src/tensor/gram.ts";
import { relativeDifference } from "./layers.ts";

const COLUMNS = 5;
/** Batches of one to four tokens, which belong to as many sequences at most. */
const batches: fc.Arbitrary<readonly CalibrationBatch[]> = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer())
    .map(([tokens, samples, seed]) => ({
      data: Float32Array.from({ length: tokens * COLUMNS }, (_, i) =>
        Math.fround(Math.sin(seed + i * i) * 3),
      ),
      samples,
    })),
  { minLength: 1, maxLength: 6 },
);
const profiles = fc.constantFrom("inc" as const, "strict" as const);

function collected(
  list: readonly CalibrationBatch[],
  profile: "inc" | "strict" = "strict",
): LayerStatistics {
  return list.reduce(
    (state, batch) => addBatch(state, batch),
    createStatistics(COLUMNS, { profile }),
  );
}

/** Within the rounding of a few float32 sums. */
function expectEqual(got: LayerStatistics, want: LayerStatistics): void {
  expect([got.samples, got.tokens, got.profile]).toEqual([want.samples, want.tokens, want.profile]);
  for (const part of ["hessian", "squaredNorms", "sums", "variances"] as const) {
    // Sums may cancel, so their rounding is relative to the norms.
    const scale = part === "sums" ? relativeDifference(want.squaredNorms ?? [], []) : 1;
    expect(relativeDifference(want[part] ?? [], got[part] ?? [])).toBeLessThan(scale ? 2e-5 : 0);
  }
}

describe("statistics", () => {
  test("are those of the definitions", () => {
    fc.assert(
      fc.property(batches, (list) => {
        const { hessian, squaredNorms, sums, variances, samples, tokens } = collected(list);
        const rows = list.flatMap(({ data }) =>
          Array.from({ length: data.length / COLUMNS }, (_, t) =>
            Array.from(data.subarray(t * COLUMNS, (t + 1) * COLUMNS)),
          ),
        );
        const mean = (values: readonly number[]): number =>
          values.reduce((sum, value) => sum + value, 0) / rows.length;
        const products = Array.from({ length: COLUMNS * COLUMNS }, (_, place) => {
          const [i, j] = [Math.floor(place / COLUMNS), place % COLUMNS];
          return (
            (2 / samples) * rows.length * mean(rows.map((row) => (row[i] ?? 0) * (row[j] ?? 0)))
          );
        });
        expect(tokens).toBe(rows.length);
        expect(relativeDifference(products, hessian ?? [])).toBeLessThan(2e-6);
        for (let i = 0; i < COLUMNS; i++) {
          const values = rows.map((row) => row[i] ?? 0);
          const center = mean(values);
          const squares = mean(values.map((value) => value * value)) * rows.length;
          expect(squaredNorms?.[i]).toBeCloseTo(squares / samples, 3);
          expect(sums?.[i]).toBeCloseTo((center * rows.length) / samples, 3);
          expect(variances?.[i]).toBeCloseTo(mean(values.map((x) => (x - center) ** 2)), 3);
        }
      }),
    );
  });

  test("merged are those of one pass, in any order of the batches", () => {
    fc.assert(
      fc.property(batches, batches, profiles, (first, second, profile) => {
        const whole = collected([...first, ...second], profile);
        const [a, b] = [collected(first, profile), collected(second, profile)];
        expectEqual(mergeStatistics(a, b), whole);
        expectEqual(mergeStatistics(b, a), whole);
        expectEqual(collected([...second, ...first].reverse(), profile), whole);
        expectEqual(mergeStatistics(collected([], profile), whole), whole);
        expectEqual(mergeStatistics(whole, collected([], profile)), whole);
      }),
    );
  });

  test("of inc have the variance within batches alone", () => {
    const constant = [1, 3].map((x) => ({ data: new Float32Array(COLUMNS).fill(x), samples: 1 }));
    expect(collected(constant, "inc").variances?.[0]).toBe(0);
    expect(collected(constant, "strict").variances?.[0]).toBe(1);
  });

  test("are not changed by addBatch, and are by addBatchInto, with the same result", () => {
    const batch = { data: Float32Array.from({ length: COLUMNS * 2 }, (_, i) => i), samples: 1 };
    const before = collected([batch]);
    const copy = structuredClone(before);
    const after = addBatch(before, batch);
    expect(before).toEqual(copy);
    expect(addBatchInto(before, batch)).toEqual(after);
    expect(before.hessian).toEqual(after.hessian);
  });

  test("are the same with products of kernels, apart from rounding", () => {
    const data = Float32Array.from({ length: COLUMNS * 300 }, (_, i) => Math.sin(i * 1.7));
    for (const variant of ["scalar", "simd"] as const) {
      const gram = gramOf(createBackend({ variant }));
      const got = addBatch(createStatistics(COLUMNS), { data, samples: 3 }, gram);
      expectEqual(got, collected([{ data, samples: 3 }]));
    }
  });
});

describe("refused are", () => {
  const empty = createStatistics(2);
  test.each([
    ["no columns", () => createStatistics(0), /columns/],
    ["unknown options", () => createStatistics(2, { hesian: true } as object), /hessian/],
    [
      "half a token",
      () => addBatch(empty, { data: new Float32Array(3), samples: 1 }),
      /batch.data/,
    ],
    ["no token", () => addBatch(empty, { data: new Float32Array(0), samples: 1 }), /batch.data/],
    ["NaN", () => addBatch(empty, { data: Float32Array.of(1, NaN), samples: 1 }), /data\[1\]/],
    ["no sample", () => addBatch(empty, { data: Float32Array.of(1, 2), samples: 0 }), /samples/],
    ["other columns", () => mergeStatistics(empty, createStatistics(3)), /b.columns/],
    [
      "another profile",
      () => mergeStatistics(empty, createStatistics(2, { profile: "inc" })),
      /b.profile/,
    ],
    [
      "arrays of another shape",
      () => mergeStatistics({ ...empty, sums: new Float32Array(3) }, empty),
      /a.sums: expected 2 elements, got 3/,
    ],
    [
      "negative norms",
      () => mergeStatistics(empty, { ...empty, squaredNorms: Float32Array.of(0, -1) }),
      /b.squaredNorms\[1\]/,
    ],
  ])("%s", (_, call, message) => {
    expect(call).toThrow(message);
  });

  test("nothing for parts that are missing", () => {
    const other = { ...empty, tokens: null, hessian: null, sums: null };
    expect(mergeStatistics(empty, other)).toMatchObject({
      tokens: null,
      hessian: null,
      sums: null,
      variances: null,
      squaredNorms: new Float32Array(2),
    });
  });
});
