import { expect, test } from "vitest";
import { getOrThrow } from "../../../src/core/either.ts";
import { partsOf } from "../../../src/io/tokenizer/matches.ts";
import { parseRegularExpression } from "../../../src/io/tokenizer/regular-expression.ts";

test("an empty match is never inside a character of two code units", () => {
  const text = "👩a👩\nb";
  const split = (pattern: string): string[] =>
    partsOf(getOrThrow(parseRegularExpression("pattern", pattern)), text).map(({ start, end }) =>
      text.slice(start, end),
    );
  expect(split("$")).toEqual(["👩a👩", "", "\nb", ""]);
  expect(split("(?!a)")).toEqual(["", "👩a", "", "👩", "", "\n", "", "b", ""]);
});
