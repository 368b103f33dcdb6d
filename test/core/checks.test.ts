import { describe, expect, test } from "vitest";
import {
  checkFinite,
  checkFloat32Array,
  checkInteger,
  checkNumber,
  checkOneOf,
  describe as describeValue,
  isStrings,
} from "../../src/core/checks.ts";

test("values are described briefly", () => {
  expect(describeValue("a".repeat(100))).toBe(`"${"a".repeat(57)}..."`);
  expect(describeValue(() => 1)).toBe("a function");
  expect(describeValue(new Float32Array(3))).toBe("Float32Array(3)");
  expect(describeValue(new DataView(new ArrayBuffer(4)))).toBe("DataView(4 bytes)");
  expect(describeValue([1, 2])).toBe("an array of 2");
  expect(describeValue({ a: 1, b: 2 })).toBe("an object (a, b)");
  expect([null, undefined, 7n].map(describeValue)).toEqual(["null", "undefined", "7"]);
});

describe("a wrong kind is a TypeError, a wrong value a RangeError", () => {
  const cases: readonly (readonly [() => void, ErrorConstructor, string])[] = [
    [() => checkInteger("n", "1"), TypeError, 'n: expected an integer, got "1"'],
    [() => checkInteger("n", 1.5), RangeError, "n: expected an integer from 0 to"],
    [() => checkInteger("n", 3, 4, 5), RangeError, "n: expected an integer from 4 to 5, got 3"],
    [() => checkNumber("x", null), TypeError, "x: expected a number, got null"],
    [() => checkNumber("x", Number.NaN), RangeError, "x: expected a finite number"],
    [() => checkNumber("x", 2, 0, 1), RangeError, "x: expected a finite number from 0 to 1, got 2"],
    [() => checkOneOf("s", 1, ["a"]), TypeError, "s: expected a string, got 1"],
    [() => checkOneOf("s", "b", ["a"]), RangeError, 's: expected one of a, got "b"'],
    [() => checkFloat32Array("w", [1]), TypeError, "w: expected a Float32Array, got an array of 1"],
    [
      () => checkFloat32Array("w", new Float32Array(2), 3),
      RangeError,
      "w: expected 3 elements, got 2",
    ],
    [
      () => checkFinite("w", Float32Array.of(1, Infinity)),
      RangeError,
      "w[1]: expected a finite number, got Infinity",
    ],
  ];
  test.each(cases)("case %#", (check, kind, message) => {
    expect(check).toThrow(kind);
    expect(check).toThrow(message);
  });
});

test("right values pass", () => {
  checkInteger("n", 5);
  checkNumber("x", 0.5, 0, 1);
  checkOneOf("s", "a", ["a", "b"]);
  checkFloat32Array("w", new Float32Array(2), 2);
  checkFinite("w", Float32Array.of(1, 2));
  expect([isStrings(["a"]), isStrings([1]), isStrings("a")]).toEqual([true, false, false]);
});
