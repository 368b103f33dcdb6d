import { afterEach, describe, expect, it, vi } from "vitest";
import { type NormalForm, normalForm } from "../../../src/io/tokenizer/normal-forms.ts";
import { CANONICAL, COMPATIBLE } from "./decompositions.generated.ts";
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
      /^NFK?D: expected an engine that decomposes \d+ characters of Unicode 9, got one that decomposes 0$/,
    );
  });
});

it("composes what decomposes, except for excluded characters", () => {
  const composed = [...canonical.keys()].filter(
    (c) => normalized("NFC", String.fromCodePoint(c)) === String.fromCodePoint(c),
  );
  expect(composed.length).toBeGreaterThan(900);
  for (const c of composed)
    expect(normalized("NFC", String.fromCodePoint(...(canonical.get(c) ?? [])))).toBe(
      String.fromCodePoint(c),
    );
});
