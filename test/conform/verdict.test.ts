import fc from "fast-check";
import { expect, test } from "vitest";
import {
  countVerdicts,
  exactDifference,
  formatCounts,
  formatVerdict,
  judge,
  tensorDifference,
  verdictOf,
} from "../../src/conform/verdict.ts";

test("a verdict fails with its difference, and passes without one", () => {
  expect(verdictOf("model", "bert", undefined)).toEqual({
    family: "model",
    name: "bert",
    passed: true,
  });
  expect(formatVerdict(verdictOf("model", "bert", undefined))).toBe("ok   model bert");
  expect(formatVerdict(verdictOf("model", "bert", "w[3]: expected 1, got 2"))).toBe(
    "FAIL model bert: w[3]: expected 1, got 2",
  );
});

test("an error on the way is that vector's failure", () => {
  const verdict = judge("joint", "a", () => {
    throw new RangeError("no tensor w");
  });
  expect(verdict).toEqual({ family: "joint", name: "a", passed: false, detail: "no tensor w" });
});

test("the count of verdicts", () => {
  const verdicts = [undefined, "x", undefined].map((detail) => verdictOf("f", "n", detail));
  expect(formatCounts(countVerdicts(verdicts))).toBe("2 passed, 1 failed");
  expect(formatCounts(countVerdicts([]))).toBe("0 passed, 0 failed");
});

test("exact difference: the first index, or the length", () => {
  expect(exactDifference("ids", [1, 2, 3], Int32Array.of(1, 2, 3))).toBeUndefined();
  expect(exactDifference("ids", [1, 2, 3], [1, 5, 4])).toBe("ids[1]: expected 2, got 5");
  expect(exactDifference("ids", [1, 2, 3], [1, 2])).toBe("ids: expected 3 entries, got 2");
  expect(exactDifference("x", [Number.NaN, 0], [Number.NaN, -0])).toBeUndefined();
});

test("tensor difference: within absolute + relative x largest magnitude", () => {
  const close = { absolute: 0.1, relative: 0.01 };
  expect(tensorDifference("w", [10, 0], [10, 0.199], close)).toBeUndefined();
  expect(tensorDifference("w", [10, 0], [10, 0.201], close)).toBe(
    "w[1]: expected 0 within 0.2, got 0.201",
  );
  expect(tensorDifference("w", [1], [1, 1], close)).toBe("w: expected 1 entries, got 2");
  expect(tensorDifference("w", [1, Number.NaN], [1, 1], close)).toMatch(/^w\[1\]: expected NaN/);
  expect(tensorDifference("w", [1], [Number.NaN], close)).toMatch(/got NaN$/);
  expect(tensorDifference("w", [Infinity, NaN], [Infinity, NaN], close)).toBeUndefined();
  expect(tensorDifference("w", [Infinity], [-Infinity], close)).toMatch(/got -Infinity$/);
  expect(tensorDifference("w", [Infinity], [1e30], close)).toMatch(/got 1e\+30$/);
});

test("tensor difference: no tolerance accepts equal values only; a perturbed entry is found", () => {
  const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });
  fc.assert(
    fc.property(values, fc.nat(), (expected, pick) => {
      expect(tensorDifference("w", expected, expected, {})).toBeUndefined();
      const index = pick % expected.length;
      const got = expected.map((value, i) => (i === index ? value + Math.abs(value) + 1 : value));
      expect(tensorDifference("w", expected, got, {})).toContain(`w[${index}]:`);
    }),
  );
});
