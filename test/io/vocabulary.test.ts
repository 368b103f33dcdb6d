import fc from "fast-check";
import { expect, test } from "vitest";
import { formatProblem, isLeft, isRight } from "../../src/core/either.ts";
import { formatVocabulary, parseVocabulary, SPECIAL_TOKENS } from "../../src/io/vocabulary.ts";

const SPECIAL = Object.values(SPECIAL_TOKENS);

function problemsOf(text: string): readonly string[] {
  const result = parseVocabulary("vocab.txt", text);
  if (isRight(result)) throw new Error("expected the vocabulary to be refused");
  return result.left.map(formatProblem);
}

test("ids are line numbers from 0, whatever ends the lines", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    for (const last of ["", end]) {
      const parsed = parseVocabulary("v", ["\ufeffa", ...SPECIAL, "##b"].join(end) + last);
      if (isLeft(parsed)) throw new Error("expected it to parse");
      expect(parsed.right.tokens).toEqual(["a", ...SPECIAL, "##b"]);
      expect(parsed.right.ids.get("##b")).toBe(6);
      expect(parsed.right.special).toEqual({
        padding: 1,
        unknown: 2,
        classification: 3,
        separator: 4,
        mask: 5,
      });
    }
  }
});

test("formatting inverts parsing", () => {
  const token = fc
    .string({ unit: "grapheme", minLength: 1 })
    .filter((s) => !/[\r\n\ufeff]/.test(s));
  fc.assert(
    fc.property(fc.uniqueArray(token), (words) => {
      const tokens = [...new Set([...words, ...SPECIAL])];
      const parsed = parseVocabulary("v", formatVocabulary(tokens));
      expect(isRight(parsed) && parsed.right.tokens).toEqual(tokens);
    }),
  );
});

test("duplicates, empty lines and missing special tokens are all reported", () => {
  expect(problemsOf("[PAD]\n[UNK]\na\n\n[CLS]\na\n[SEP]\n")).toEqual([
    "vocab.txt:4: expected a token, got an empty line",
    'vocab.txt:6: expected a token that no earlier line has, got "a" of line 3',
    "vocab.txt: expected the special token [MASK], got none",
  ]);
  expect(problemsOf("")).toHaveLength(SPECIAL.length);
});
