import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scalarKernels } from "../../../src/kernels/scalar/kernels.ts";
import { EPSILON, expectClose, randomFloats } from "../subjects.ts";

const sizes = fc.nat(7);

describe("the scalar product", () => {
  it("reads each form's factors, honours offsets and strides, and accumulates", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("nn" as const, "nt" as const, "tn" as const),
        fc.tuple(sizes, sizes, sizes),
        fc.nat(3),
        fc.boolean(),
        (form, [m, n, k], extra, accumulate) => {
          const [aRows, aColumns] = form === "tn" ? [k, m] : [m, k];
          const [bRows, bColumns] = form === "nt" ? [n, k] : [k, n];
          const [aStride, bStride, cStride] = [aColumns + extra, bColumns + 2 * extra, n + 1];
          const a = randomFloats(1, extra + aRows * aStride);
          const b = randomFloats(2, 1 + bRows * bStride);
          const before = randomFloats(3, 2 + m * cStride);
          const expected = Array.from(before);
          for (let i = 0; i < m; i++) {
            for (let j = 0; j < n; j++) {
              let sum = accumulate ? before[2 + i * cStride + j] : 0;
              for (let p = 0; p < k; p++) {
                const left =
                  form === "tn" ? a[extra + p * aStride + i] : a[extra + i * aStride + p];
                const right = form === "nt" ? b[1 + j * bStride + p] : b[1 + p * bStride + j];
                sum += left * right;
              }
              expected[2 + i * cStride + j] = sum;
            }
          }
          const c = before.slice();
          scalarKernels.gemm(
            form,
            m,
            n,
            k,
            a,
            extra,
            aStride,
            b,
            1,
            bStride,
            c,
            2,
            cStride,
            accumulate,
          );
          // One rounding, of a sum up to 4 k + 2.
          expectClose(c, expected, EPSILON * (4 * k + 2));
        },
      ),
    );
  });

  it("passes NaN on, even against zero", () => {
    const c = new Float32Array(1);
    const a = Float32Array.of(0, 1);
    const b = Float32Array.of(Number.NaN, 1);
    scalarKernels.gemm("nn", 1, 1, 2, a, 0, 2, b, 0, 1, c, 0, 1, false);
    expect(c[0]).toBeNaN();
  });
});
