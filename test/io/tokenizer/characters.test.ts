import { expect, it } from "vitest";
import { categoryRanges } from "../../../src/io/tokenizer/categories.ts";
import * as DATA from "../../../src/io/tokenizer/characters.generated.ts";
import { characterFlags, FLAG, rangesOf } from "../../../src/io/tokenizer/characters.ts";

/** Bits whose members are some categories, except for differences. */
const MEMBERS: readonly (readonly [bit: number, categories: string, difference: string])[] = [
  [FLAG.space, "", DATA.SPACES],
  [FLAG.removed, "", DATA.REMOVED],
  [FLAG.punctuation, "Pc Pd Ps Pe Pi Pf Po", DATA.PUNCTUATION],
  [FLAG.nonspacing, "Mn", DATA.NONSPACING],
  [FLAG.mark, "Mn Mc Me", DATA.MARKS],
  [FLAG.numeric, "Nd Nl No", DATA.NUMERIC],
  [FLAG.word, "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc", DATA.WORDS],
  [FLAG.letter, "Lu Ll Lt Lm Lo", ""],
  [FLAG.number, "Nd Nl No", ""],
  [FLAG.chinese, "", DATA.CHINESE],
];

it("the flags of every character follow from its category", () => {
  const expected = new Uint16Array(0x110000);
  const flip = (bit: number, ranges: readonly number[]): void => {
    for (let i = 0; i + 1 < ranges.length; i += 2)
      for (let c = ranges[i] ?? 0; c <= (ranges[i + 1] ?? 0); c++)
        expected[c] = (expected[c] ?? 0) ^ bit;
  };
  for (const [bit, categories, difference] of MEMBERS) {
    for (const name of categories.split(" ")) flip(bit, categoryRanges().get(name) ?? []);
    if (difference !== "") flip(bit, rangesOf(difference));
  }
  const wrong = [...expected.keys()].filter((c) => characterFlags(c) !== expected[c]);
  expect(wrong).toEqual([]);
});
