import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createTokenizer,
  decode,
  encode,
  type SlowTokenizer,
  wordsAndSpecials,
} from "../../src/io/tokenizer.ts";
import { characterClass } from "../../src/io/unicode-classes.ts";
import { formatVocabulary, SPECIAL_TOKENS } from "../../src/io/vocabulary.ts";
import { naivePieces, naiveWords } from "./naive-words.ts";
import { readVectorFile } from "./sources.ts";

function normalizeText(tokenizer: SlowTokenizer, text: string): string {
  return wordsAndSpecials(tokenizer, text).join(" ");
}

const tokenizer: SlowTokenizer = createTokenizer(readVectorFile("vocab.txt"));
const { tokens, ids, special } = tokenizer.vocabulary;

const CURIOUS = [
  ..."ΣσςİIıßẞÅKΩǅﬁ가각東京カ中 \t\n\u00a0\u3000\u2028.-_'\"[]#☃😀",
  "\u0301",
  "\u0308",
  "\u0307",
  "\u200d",
  "\u00ad",
  "\u0000",
  "\ufffd",
  "\ue000",
  "\ud800",
  "\u0345",
  "[MASK]",
  "[SEP]",
  "[mask]",
];
const text: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(...CURIOUS),
      fc.constantFrom(...tokens),
      fc.constantFrom(" ", " "),
      fc.string({ unit: "binary", maxLength: 6 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));
const maxLength = fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined });
const textPair = fc.option(text, { nil: undefined });

/** Characters of which the engine's newer Unicode version knows more than the tokenizer's. */
function isNewer(character: string): boolean {
  const unassigned = characterClass(character.codePointAt(0) as number) === "control";
  return character === "\u{1171e}" || unassigned !== /[^\P{C}\t\n\r]|\ufffd/u.test(character);
}

describe("laws", () => {
  test("ids lie below the vocabulary's size; types are 0, then 1; both are equally long", () => {
    fc.assert(
      fc.property(text, textPair, maxLength, (first, second, limit) => {
        const { inputIds, tokenTypeIds } = encode(tokenizer, first, second, limit);
        expect(inputIds.every((id) => id >= 0 && id < tokens.length)).toBe(true);
        expect(tokenTypeIds).toHaveLength(inputIds.length);
        expect(tokenTypeIds.join("")).toMatch(second === undefined ? /^0+$/ : /^0+1+$/);
        const whole = limit === undefined || (second === undefined && limit <= 2);
        expect(inputIds.length).toBeLessThanOrEqual(whole ? Infinity : Math.max(limit, 3));
      }),
      { numRuns: 1000 },
    );
  });

  test("words and pieces are those of the naive restatement", () => {
    const known = new Set(tokens);
    fc.assert(
      fc.property(text, (raw) => {
        const sentence = [...raw].filter((character) => !isNewer(character)).join("");
        const words = sentence
          .split(/(\[(?:PAD|UNK|CLS|SEP|MASK)\])/)
          .flatMap((part, index) => (index % 2 === 1 ? [part] : naiveWords(part)));
        expect(normalizeText(tokenizer, sentence)).toBe(words.join(" "));
        const pieces = words.flatMap((word) => naivePieces(known, word) ?? ["[UNK]"]);
        const { inputIds } = encode(tokenizer, sentence);
        expect(Array.from(inputIds, (id) => tokens[id])).toEqual(["[CLS]", ...pieces, "[SEP]"]);
      }),
      { numRuns: 2000 },
    );
  });

  test("decoding an encoding gives the normalised text where every word is in the vocabulary", () => {
    const words = tokens.filter(
      (token) => normalizeText(tokenizer, token) === token && !token.startsWith("["),
    );
    expect(words.length).toBeGreaterThan(30);
    const separator = fc.constantFrom(" ", "  ", "\t", "\n", "\u00a0", " \u200b");
    const cased = fc.tuple(fc.constantFrom(...words), fc.boolean(), separator);
    fc.assert(
      fc.property(fc.array(cased), (chosen) => {
        const sentence = chosen
          .map(([word, upper, blank]) => {
            const capitals = word.toUpperCase();
            const same = normalizeText(tokenizer, capitals) === word;
            return (upper && same ? capitals : word) + blank;
          })
          .join("");
        const expected = chosen.map(([word]) => word).join(" ");
        expect(normalizeText(tokenizer, sentence)).toBe(expected);
        expect(decode(tokenizer, encode(tokenizer, sentence).inputIds)).toBe(expected);
      }),
    );
  });

  test("normalising twice changes nothing more", () => {
    fc.assert(
      fc.property(text, (sentence) => {
        const once = normalizeText(tokenizer, sentence);
        expect(normalizeText(tokenizer, once)).toBe(once);
      }),
    );
  });

  test("truncation removes last tokens of the longer text, of the pair on a tie", () => {
    fc.assert(
      fc.property(text, textPair, fc.integer({ min: 3, max: 12 }), (first, second, limit) => {
        const full = encode(tokenizer, first, second);
        const a = Array.from(encode(tokenizer, first).inputIds).slice(1, -1);
        const b = second === undefined ? [] : [...encode(tokenizer, second).inputIds].slice(1, -1);
        while (a.length + b.length + (second === undefined ? 2 : 3) > limit) {
          (a.length > b.length ? a : b).pop();
        }
        const tail = second === undefined ? [] : [...b, special.separator];
        const expected = [special.classification, ...a, special.separator, ...tail];
        expect([...encode(tokenizer, first, second, limit).inputIds]).toEqual(expected);
        if (full.inputIds.length <= limit) expect([...full.inputIds]).toEqual(expected);
      }),
    );
  });

  test("what was tokenised before does not matter", () => {
    fc.assert(
      fc.property(fc.array(text), text, (before, sentence) => {
        const fresh = createTokenizer(readVectorFile("vocab.txt"));
        for (const other of before) encode(fresh, other);
        expect(encode(fresh, sentence)).toEqual(encode(tokenizer, sentence));
      }),
      { numRuns: 30 },
    );
  });
});

describe("enormous texts", () => {
  test("many tokens in both texts", () => {
    const { inputIds, tokenTypeIds } = encode(tokenizer, "a ".repeat(2e5), "b ".repeat(2e5));
    expect(inputIds).toHaveLength(4e5 + 3);
    expect(tokenTypeIds.at(2e5 + 2)).toBe(1);
  });

  test("one word", () => {
    expect([...encode(tokenizer, "a".repeat(1e6)).inputIds]).toEqual([2, special.unknown, 3]);
  });

  test("marks in a row, in the order that is slowest to sort", () => {
    const marks = "\u0301\u0316".repeat(1e5);
    expect(normalizeText(tokenizer, `e${marks} tree e\u0301`)).toBe("e tree e");
  });
});

describe("decode", () => {
  const id = (token: string): number => ids.get(token) as number;
  const { inputIds } = encode(tokenizer, "The gardeners, [MASK] branches.");

  test("leaves special tokens out unless asked", () => {
    expect(decode(tokenizer, inputIds)).toBe("the gardeners , branches .");
    expect(decode(tokenizer, inputIds, { skipSpecialTokens: false })).toBe(
      "[CLS] the gardeners , [MASK] branches . [SEP]",
    );
  });

  test("closes up punctuation and contractions when asked, as transformers does", () => {
    expect(decode(tokenizer, inputIds, { cleanUpSpaces: true })).toBe("the gardeners, branches.");
    const spoken = ["i", "'m", "'ve", "o", "'", "c", "'s", "do", "n't", "!", "-", "?"];
    const own = createTokenizer(formatVocabulary([...Object.values(SPECIAL_TOKENS), ...spoken]));
    const spokenIds = spoken.map((_, index) => index + 5);
    expect(decode(own, spokenIds, { cleanUpSpaces: true })).toBe("i'm've o'c's don't! -?");
  });

  test("a continuation piece at the beginning stays as it is", () => {
    expect(decode(tokenizer, [id("##ed"), id("tree")])).toBe("##ed tree");
  });

  test("an id outside the vocabulary is refused by its place", () => {
    expect(() => decode(tokenizer, [2, tokens.length])).toThrow(
      `ids[1]: expected an integer from 0 to ${tokens.length - 1}, got ${tokens.length}`,
    );
    expect(() => decode(tokenizer, [0.5])).toThrow(RangeError);
  });
});

describe("options and arguments", () => {
  const vocabText = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nCafé\ncafé\ncafe\n中文\n中\n文\n";
  const words = (options: Parameters<typeof createTokenizer>[1], sentence: string): string =>
    decode(createTokenizer(vocabText, options), [
      ...encode(createTokenizer(vocabText, options), sentence).inputIds,
    ]);

  test("case and accents are kept where asked; text is composed", () => {
    expect(words({}, "Cafe\u0301")).toBe("cafe");
    expect(words({ lowercase: false }, "Cafe\u0301")).toBe("Café");
    expect(words({ stripAccents: false }, "Cafe\u0301")).toBe("café");
    expect(words({ lowercase: false, stripAccents: true }, "café")).toBe("cafe");
  });

  test("Chinese characters stay together where asked", () => {
    expect(words({}, "中文")).toBe("中 文");
    expect(words({ splitChinese: false }, "中文")).toBe("中文");
  });

  test("a text that is none, and a length of none, are refused", () => {
    expect(() => encode(tokenizer, 5 as unknown as string)).toThrow(
      new TypeError("text: expected a string, got 5"),
    );
    expect(() => encode(tokenizer, "a", null as unknown as string)).toThrow(TypeError);
    expect(() => encode(tokenizer, "a", undefined, 0)).toThrow(RangeError);
    expect(() => createTokenizer("a\nb\n")).toThrow("vocabulary: expected the special token [PAD]");
  });
});
