import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { incLockMaskInto, lockMaskInto } from "../../src/prune/lock.ts";
import { layOut } from "../../src/prune/pattern.ts";
import { layoutOf } from "../../src/reference/layout.ts";
import { lockedMask } from "../../src/reference/lock.ts";
import { inWeightOrder, weightMatrix } from "../../src/reference/matrix.ts";
import { patterns } from "./models.ts";

const shapes = fc.constantFrom<readonly number[]>([4, 8], [8, 4], [6, 6], [4, 4, 3], [4, 8, 1, 2]);
/** Mostly zeros, and values that cancel. */
const weights = fc.array(fc.constantFrom(0, 0, 0, 1, -1), { minLength: 64, maxLength: 64 });

describe.each([
  ["inc", incLockMaskInto],
  ["strict", lockMaskInto],
] as const)("%s", (profile, lockInto) => {
  test("locks the zeros that the reference locks", () => {
    fc.assert(
      fc.property(patterns, shapes, weights, (pattern, shape, values) => {
        const layout = layOut(pattern, { shape });
        const weight = Float32Array.from(values).slice(0, layout.rows * layout.columns);
        const mask = new Uint8Array(weight.length).fill(7);
        lockInto(pattern, layout, weight, mask);
        const matrix = weightMatrix(weight, shape);
        const expected = lockedMask(pattern, layoutOf(pattern, shape), matrix, profile);
        expect(mask).toEqual(inWeightOrder(expected, shape));
      }),
    );
  });
});
