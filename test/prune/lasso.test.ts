import fc from "fast-check";
import { expect, test } from "vitest";
import { incLassoTermsInto, lassoTermsInto, shrinkBlocksInto } from "../../src/prune/lasso.ts";
import { layOut } from "../../src/prune/pattern.ts";
import { exactLassoTerms, lassoTerms, shrunkWeight } from "../../src/reference/lasso.ts";
import { layoutOf } from "../../src/reference/layout.ts";
import { elements, inWeightOrder, weightMatrix } from "../../src/reference/matrix.ts";
import { exactValues } from "./models.ts";

const PATTERNS = [
  { kind: "block", height: 1, width: 1 },
  { kind: "block", height: 2, width: 2 },
  { kind: "block", height: 4, width: 1 },
] as const;

test.each([
  ["inc", incLassoTermsInto, lassoTerms],
  ["strict", lassoTermsInto, exactLassoTerms],
] as const)("terms and shrunk weights are the reference's: %s", (_, termsInto, referenceTerms) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PATTERNS),
      fc.constantFrom([4, 8], [4, 2, 2]),
      exactValues(32),
      fc.constantFrom(0, 0.01, 0.0625, 10),
      (pattern, shape, values, coefficient) => {
        const layout = layOut(pattern, { shape });
        const weight = values.slice(0, layout.rows * layout.columns);
        const terms = new Float32Array(layout.blockRows * layout.blockColumns);
        termsInto(layout, coefficient, weight, terms);
        const matrix = weightMatrix(weight, shape);
        const expected = referenceTerms(layoutOf(pattern, shape), coefficient, matrix);
        expect([...terms]).toEqual(elements(expected));
        const shrunk = shrunkWeight(layoutOf(pattern, shape), expected, matrix);
        shrinkBlocksInto(layout, terms, weight);
        expect([...weight].map((v) => v + 0)).toEqual(
          [...inWeightOrder(shrunk, shape)].map((v) => v + 0),
        );
      },
    ),
  );
});
