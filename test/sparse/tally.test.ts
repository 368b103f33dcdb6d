/** The sizes of matrices from their bands. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { plainKernels } from "../../src/prune/plain-kernels.ts";
import { layoutBytes, USUAL_LAYOUTS } from "../../src/sparse/size.ts";
import { layoutTally } from "../../src/sparse/tally.ts";

test("bands of whole rows of blocks add up to the matrix, with and without kernels", () => {
  const matrices = fc
    .record({
      step: fc.integer({ min: 1, max: 3 }).map((n) => 16 * n),
      rows: fc.integer({ min: 1, max: 100 }),
      columns: fc.integer({ min: 1, max: 20 }),
      isHalf: fc.boolean(),
    })
    .chain((facts) =>
      fc.record({
        facts: fc.constant(facts),
        values: fc.array(fc.constantFrom(0, 0, 0, 0, 0, 1, -0), {
          minLength: facts.rows * facts.columns,
          maxLength: facts.rows * facts.columns,
        }),
      }),
    );
  fc.assert(
    fc.property(matrices, ({ facts: { step, rows, columns, isHalf }, values }) => {
      const data = isHalf ? Uint16Array.from(values) : Float32Array.from(values);
      for (const spec of USUAL_LAYOUTS) {
        const whole = layoutBytes(data, [rows, columns], spec);
        for (const kernels of [undefined, plainKernels]) {
          const tally = layoutTally(spec, [rows, columns], data.BYTES_PER_ELEMENT, kernels);
          for (let first = 0; first < rows; first += step) {
            const count = Math.min(step, rows - first);
            tally.add(data.subarray(first * columns, (first + count) * columns), count);
          }
          expect(tally.bytes()).toBe(whole);
        }
      }
    }),
    { numRuns: 30 },
  );
});
