import { expect, it } from "vitest";
import { categoryRanges } from "../../../src/io/tokenizer/categories.ts";
import * as DATA from "../../../src/io/tokenizer/characters.generated.ts";
import { characterFlags, FLAG } from "../../../src/io/tokenizer/characters.ts";
import { rangesOf } from "../../../src/io/tokenizer/tables.ts";
import { WORD_FLAG, wordFlags } from "../../../src/io/tokenizer/word-characters.ts";

/** A bit whose members are some categories, except for differences. */
type Member = readonly [bit: number, categories: string, difference: string];

const MEMBERS: readonly Member[] = [
  [FLAG.space, "", DATA.SPACES],
  [FLAG.removed, "", DATA.REMOVED],
  [FLAG.punctuation, "Pc Pd Ps Pe Pi Pf Po", DATA.PUNCTUATION],
  [FLAG.nonspacing, "Mn", DATA.NONSPACING],
  [FLAG.chinese, "", DATA.CHINESE],
];

const WORD_MEMBERS: readonly Member[] = [
  [WORD_FLAG.mark, "Mn Mc Me", DATA.MARKS],
  [WORD_FLAG.numeric, "Nd Nl No", DATA.NUMERIC],
  [WORD_FLAG.word, "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc", DATA.WORDS],
  [WORD_FLAG.letter, "Lu Ll Lt Lm Lo", ""],
  [WORD_FLAG.number, "Nd Nl No", ""],
];

it.each([
  ["for BERT", characterFlags, MEMBERS],
  ["for other parts", wordFlags, WORD_MEMBERS],
] as const)("the flags of every character %s follow from its category", (_, flagsOf, members) => {
  const expected = new Uint16Array(0x110000);
  const flip = (bit: number, ranges: readonly number[]): void => {
    for (let i = 0; i + 1 < ranges.length; i += 2)
      for (let c = ranges[i] ?? 0; c <= (ranges[i + 1] ?? 0); c++)
        expected[c] = (expected[c] ?? 0) ^ bit;
  };
  for (const [bit, categories, difference] of members) {
    for (const name of categories.split(" ")) flip(bit, categoryRanges().get(name) ?? []);
    if (difference !== "") flip(bit, rangesOf(difference));
  }
  const wrong = [...expected.keys()].filter((c) => flagsOf(c) !== expected[c]);
  expect(wrong).toEqual([]);
});
