import { expect, test } from "vitest";
import { type CharacterClass, characterClass } from "../../src/io/unicode-classes.ts";

/** The class by the engine's own, newer Unicode database. */
function engineClass(character: string): CharacterClass {
  if (/[\t\n\r\p{Zs}\p{Zl}\p{Zp}]/u.test(character)) return "space";
  if (/[\p{C}\ufffd]/u.test(character)) return "control";
  if (/[\p{P}!-/:-@[-`{-~]/u.test(character)) return "punctuation";
  return /\p{Mn}/u.test(character) ? "mark" : "letter";
}

const differing: number[] = [];
let kept = 0;
for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
  const found = characterClass(codePoint);
  if (found !== "control") kept++;
  if (found !== engineClass(String.fromCodePoint(codePoint))) differing.push(codePoint);
}

test("as many characters are kept as Unicode 14.0.0 has", () => {
  // 144,697 graphic and format characters, less 163 format ones and U+FFFD, plus tab, LF and CR.
  expect(kept).toBe(144_697 - 163 - 1 + 3);
});

test("what the engine's version classes otherwise was unassigned in Unicode 14, but for one mark", () => {
  // U+1171E AHOM CONSONANT SIGN MEDIAL RA became a spacing mark (Mc) in a later version.
  expect(differing.filter((codePoint) => characterClass(codePoint) !== "control")).toEqual([
    0x1171e,
  ]);
});

test.each<[string, number, CharacterClass]>([
  ["the first code point", 0, "control"],
  ["a letter", 0x61, "letter"],
  ["an ASCII symbol", 0x24, "punctuation"],
  ["a Latin-1 symbol", 0xa3, "letter"],
  ["a dash", 0x2014, "punctuation"],
  ["an accent", 0x301, "mark"],
  ["an enclosing mark", 0x20dd, "letter"],
  ["a no-break space", 0xa0, "space"],
  ["a vertical tab", 0x0b, "control"],
  ["a line separator", 0x2028, "space"],
  ["a zero-width joiner", 0x200d, "control"],
  ["the replacement character", 0xfffd, "control"],
  ["half a pair", 0xd800, "control"],
  ["private use", 0xe000, "control"],
  ["an emoji of Unicode 14", 0x1fae0, "letter"],
  ["an emoji of Unicode 15", 0x1fae8, "control"],
  ["the last code point", 0x10ffff, "control"],
])("%s", (_, codePoint, expected) => {
  expect(characterClass(codePoint)).toBe(expected);
});
