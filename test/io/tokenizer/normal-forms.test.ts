import { afterEach, describe, expect, it, vi } from "vitest";
import { ranks } from "../../../src/io/tokenizer/decompositions.ts";
import { type NormalForm, normalForm } from "../../../src/io/tokenizer/normal-forms.ts";
import { rangesOf } from "../../../src/io/tokenizer/tables.ts";
import { CANONICAL, COMPATIBLE, EXCLUDED, RANKS } from "./decompositions.generated.ts";
import { mappingOf } from "./mapping.ts";

const canonical = mappingOf(CANONICAL);
const compatible = new Map([...canonical, ...mappingOf(COMPATIBLE)]);

const normalized = (form: NormalForm, text: string): string =>
  normalForm(form, { text, head: 0 }).text;

/** All code points without surrogates and Hangul syllables, which decompose by a rule. */
function* codePoints(): Generator<number> {
  for (let c = 0; c <= 0x10ffff; c++)
    if ((c < 0xd800 || c >= 0xe000) && (c < 0xac00 || c > 0xd7a3)) yield c;
}

afterEach(() => vi.restoreAllMocks());

describe.each([
  ["NFD", canonical],
  ["NFKD", compatible],
] as const)("%s", (form, table) => {
  it("decomposes every character as Unicode 9 does", () => {
    const wrong: number[] = [];
    for (const c of codePoints()) {
      const expected = String.fromCodePoint(...(table.get(c) ?? [c]));
      if (normalized(form, String.fromCodePoint(c)) !== expected) wrong.push(c);
    }
    expect(wrong).toEqual([]);
  });

  it("refuses an engine without the tables of Unicode", async () => {
    vi.resetModules();
    const fresh = await import("../../../src/io/tokenizer/normal-forms.ts");
    vi.spyOn(String.prototype, "normalize").mockImplementation(function (this: string) {
      return String(this);
    });
    expect(() => fresh.normalForm(form, { text: "\u00e9", head: 0 })).toThrow(
      /^normalize: expected \d+ characters that NFK?D decomposes in Unicode 9, got 0$/,
    );
  });
});

it("orders the marks by their combining classes in Unicode 9", () => {
  const expected = new Map<number, number>();
  for (const [index, data] of RANKS.split("/").entries()) {
    const ranges = rangesOf(data);
    for (let i = 0; i + 1 < ranges.length; i += 2)
      for (let c = ranges[i] ?? 0; c <= (ranges[i + 1] ?? 0); c++) expected.set(c, index + 1);
  }
  expect(expected.size).toBeGreaterThan(500);
  expect(new Map([...ranks()].sort(([a], [b]) => a - b))).toEqual(
    new Map([...expected].sort(([a], [b]) => a - b)),
  );
});

it("composes what decomposes, except for excluded characters", () => {
  const excluded = new Set<number>();
  const ranges = rangesOf(EXCLUDED);
  for (let i = 0; i + 1 < ranges.length; i += 2)
    for (let c = ranges[i] ?? 0; c <= (ranges[i + 1] ?? 0); c++) excluded.add(c);
  for (const [c, target] of canonical) {
    const character = String.fromCodePoint(c);
    expect(normalized("NFC", character) === character).toBe(!excluded.has(c));
    if (!excluded.has(c))
      expect(normalized("NFC", String.fromCodePoint(...target))).toBe(character);
  }
});
