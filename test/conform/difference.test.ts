import fc from "fast-check";
import { expect, test } from "vitest";
import {
  compare,
  type Difference,
  differenceAt,
  firstOf,
  formatDifference,
} from "../../src/conform/difference.ts";

const text = (difference: Difference | undefined): string | undefined =>
  difference && formatDifference(difference);

test("one form of text for every place", () => {
  const place = { step: 3, layer: "a.b", quantity: "mask" };
  expect(text(differenceAt(place, 1, 0, 5))).toBe("step 3, layer a.b, mask[5]: expected 1, got 0");
  expect(text(differenceAt({ step: 0, quantity: "loss" }, 1, 2, null, 0.5))).toBe(
    "step 0, loss: expected 1 within 0.5, got 2",
  );
  expect(text(differenceAt("outcome", "a refusal", "none"))).toBe(
    "outcome: expected a refusal, got none",
  );
});

test("fields that JSON can hold", () => {
  const difference = differenceAt("x", Number.NaN, 7n, 0);
  expect(JSON.parse(JSON.stringify(difference))).toEqual({
    step: null,
    layer: null,
    quantity: "x",
    index: 0,
    expected: "NaN",
    got: "7",
    within: null,
  });
});

test("exact difference: the first index, or the length", () => {
  expect(compare("ids", [1, 2, 3], Int32Array.of(1, 2, 3))).toBeUndefined();
  expect(text(compare("ids", [1, 2, 3], [1, 5, 4]))).toBe("ids[1]: expected 2, got 5");
  expect(text(compare("ids", [1, 2, 3], [1, 2]))).toBe("ids length: expected 3, got 2");
  expect(compare("x", [Number.NaN, 0], [Number.NaN, -0])).toBeUndefined();
  expect(compare("x", Number.NaN, Number.NaN)).toBeUndefined();
  expect(compare("x", 1, 2)).toMatchObject({ index: null, expected: 1, got: 2 });
});

test("tensor difference: within absolute + relative x largest magnitude", () => {
  const close = { absolute: 0.1, relative: 0.01 };
  const differs = (expected: readonly number[], got: readonly number[]): string | undefined =>
    text(compare("w", expected, got, close));
  expect(differs([10, 0], [10, 0.199])).toBeUndefined();
  expect(differs([10, 0], [10, 0.201])).toBe("w[1]: expected 0 within 0.2, got 0.201");
  expect(differs([1], [1, 1])).toBe("w length: expected 1, got 2");
  expect(differs([1, Number.NaN], [1, 1])).toMatch(/^w\[1\]: expected NaN/);
  expect(differs([1], [Number.NaN])).toMatch(/got NaN$/);
  expect(differs([Infinity, NaN], [Infinity, NaN])).toBeUndefined();
  expect(differs([Infinity], [-Infinity])).toMatch(/got -Infinity$/);
  expect(differs([Infinity], [1e30])).toMatch(/got 1e\+30$/);
  expect(compare("w", 1, 2, close)).toMatchObject({ index: null, within: 0.11 });
});

test("tensor difference: no tolerance accepts equal values only; a perturbed entry is found", () => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.nat(), (expected, pick) => {
      expect(compare("w", expected, expected, {})).toBeUndefined();
      const index = pick % expected.length;
      const got = expected.map((value, i) => (i === index ? value + Math.abs(value) + 1 : value));
      expect(compare("w", expected, got, {})?.index).toBe(index);
    }),
  );
});

test("the first of several differences", () => {
  const seen: number[] = [];
  const found = firstOf([1, 2, 3], (item) => {
    seen.push(item);
    return compare("item", item < 2, true);
  });
  expect(found?.quantity).toBe("item");
  expect(seen).toEqual([1, 2]);
});
