import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  allOf,
  type Either,
  eachOf,
  isLeft,
  isRight,
  left,
  type Problem,
  refuse,
  refuseValue,
  right,
  unlessProblems,
} from "../../src/core/either.ts";

const valid = <A>(value: A): Either<readonly Problem[], A> => right(value);
const wrong = (path: string): Either<readonly Problem[], never> => refuse(path, "better", "worse");

describe("allOf", () => {
  test("gathers values under their names", () => {
    expect(allOf({ a: valid(1), b: valid("x") })).toEqual(valid({ a: 1, b: "x" }));
  });

  test("gathers all problems, in order, whatever stands between them", () => {
    const result = allOf({ z: wrong("z"), a: valid(1), b: wrong("b") });
    expect(isLeft(result) && result.left.map(({ path }) => path)).toEqual(["z", "b"]);
  });
});

test("eachOf gives all values, or the problems of every item that has some", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (items) => {
      const result = eachOf(items, (item, i) =>
        item % 2 === 0 ? valid(item * 2) : wrong(`[${i}]`),
      );
      const odd = items.flatMap((item, i) => (item % 2 === 0 ? [] : [`[${i}]`]));
      if (isRight(result)) expect(result.right).toEqual(items.map((item) => item * 2));
      expect(isLeft(result) ? result.left.map(({ path }) => path) : []).toEqual(odd);
    }),
  );
});

test("a refusal says where, what was expected and what was got", () => {
  expect(refuseValue("shape", "a list", "4x1")).toEqual(
    left([{ path: "shape", expected: "a list", got: '"4x1"' }]),
  );
});

test("a value stands where there are no problems", () => {
  const problem = { path: "a", expected: "better", got: "worse" };
  expect(unlessProblems([], 3)).toEqual(valid(3));
  expect(unlessProblems([problem], 3)).toEqual(wrong("a"));
});
