import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import { createParameter, releaseParameters } from "../../src/tensor/parameter.ts";
import { clipGradientsInto, clippingFactor, gradientNorm } from "../../src/train/clipping.ts";
import { VARIANTS } from "../kernels/subjects.ts";

const lists = fc.array(
  fc.array(fc.float({ noNaN: true, min: -1e3, max: 1e3 }), { minLength: 1, maxLength: 11 }),
  { minLength: 1, maxLength: 4 },
);

describe.each(VARIANTS)("clipping on %s kernels", (_, backend) => {
  function parametersOf(gradients: readonly (readonly number[])[]) {
    return gradients.map((values, i) => {
      const parameter = createParameter(backend, String(i), [values.length]);
      parameter.gradient.data.set(values);
      return parameter;
    });
  }

  test("leaves a norm of at most the limit, and gradients below it unchanged", () => {
    fc.assert(
      fc.property(lists, fc.double({ min: 1e-3, max: 1e4, noNaN: true }), (gradients, most) => {
        const parameters = parametersOf(gradients);
        const before = clipGradientsInto(backend, parameters, most);
        const exact = Math.hypot(...gradients.flat());
        expect(Math.abs(before - exact)).toBeLessThanOrEqual(1e-12 * exact);
        const factor = before + 1e-6 <= most ? 1 : most / (before + 1e-6);
        for (const [i, { gradient }] of parameters.entries())
          for (const [j, value] of (gradients[i] ?? []).entries()) {
            const got = gradient.data[j] ?? Number.NaN;
            if (factor === 1) expect(Object.is(got, Math.fround(value))).toBe(true);
            // The factor and the product are each rounded to float32; the smallest floats lose digits.
            else
              expect(Math.abs(got - value * factor)).toBeLessThanOrEqual(
                Math.abs(value * factor) * 2 ** -22 + 2 ** -149,
              );
          }
        expect(gradientNorm(parameters)).toBeLessThanOrEqual(most * (1 + 2 ** -20));
        releaseParameters(new Map(parameters.map((each) => [each.name, each])));
      }),
      { numRuns: 50 },
    );
  });
});

test("a norm that is not finite makes gradients that are not finite, as in torch", () => {
  const backend = createBackend({ variant: "scalar" });
  const parameter = createParameter(backend, "a", [2]);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    parameter.gradient.data.set([1, value]);
    clipGradientsInto(backend, [parameter], 1);
    expect(parameter.gradient.data[1]).toBeNaN();
  }
});

test("the factor is torch's", () => {
  expect(clippingFactor(0, 1)).toBe(1);
  expect(clippingFactor(2, 1)).toBe(1 / 2.000001);
  expect(clippingFactor(1, 1)).toBe(1 / 1.000001);
});
