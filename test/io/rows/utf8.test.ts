import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RowRefusal } from "../../../src/io/rows/problems.ts";
import { createUtf8Decoder } from "../../../src/io/rows/utf8.ts";
import { cutAt, places } from "./chunks.ts";

/** The text, or the line of the first byte that is not UTF-8. */
function decode(pieces: readonly Uint8Array[]): string | number | null {
  const decoder = createUtf8Decoder("f");
  try {
    return pieces.map((piece) => decoder.push(piece)).join("") + decoder.end();
  } catch (error) {
    if (!(error instanceof RowRefusal)) throw error;
    return error.problem.line;
  }
}

const encode = (text: string) => new TextEncoder().encode(text);

test("text is read back, in any pieces", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), places, (text, shares) => {
      // Nulls between letters look like UTF-16.
      const whole = `text${text}`;
      expect(decode(cutAt(encode(whole), shares))).toBe(whole);
    }),
  );
});

test("a wrong byte has its line, in any pieces", () => {
  const line = fc.string({ unit: fc.constantFrom("a", "é", "€", "😀") });
  const wrong = fc.constantFrom(
    [0xff],
    [0xc3],
    [0xe2, 0x82],
    [0x80],
    [0xf0, 0x9f, 0x98],
    [0xc0, 0x80],
  );
  fc.assert(
    fc.property(fc.array(line), wrong, line, places, (lines, bytes, after, shares) => {
      const head = encode(lines.map((text) => `${text}\n`).join(""));
      const all = Uint8Array.from([
        ...encode("head\n"),
        ...head,
        ...bytes,
        ...encode(`\n${after}`),
      ]);
      expect(decode(cutAt(all, shares))).toBe(lines.length + 2);
    }),
  );
});

describe("by hand", () => {
  test("a byte-order mark is dropped at the start alone", () => {
    expect(decode([encode("\ufeffa\ufeff")])).toBe("a\ufeff");
    expect(decode([encode("abcd"), encode("\ufeffx")])).toBe("abcd\ufeffx");
    expect(decode([Uint8Array.of(0xef), Uint8Array.of(0xbb), Uint8Array.of(0xbf)])).toBe("");
  });

  test("UTF-16 is refused, with and without its mark", () => {
    for (const bytes of [
      [0xff, 0xfe, 97, 0],
      [0xfe, 0xff],
      [97, 0, 98, 0],
      [0, 97, 0, 98],
    ])
      expect(decode([Uint8Array.from(bytes)])).toBe(1);
    expect(() => {
      const decoder = createUtf8Decoder("f.csv");
      decoder.push(Uint8Array.of(0xff, 0xfe));
      decoder.end();
    }).toThrow("f.csv:1: expected UTF-8 text, got UTF-16; save it as UTF-8");
  });

  test("carriage returns end lines of a file without LF", () => {
    expect(decode([Uint8Array.of(97, 13, 98, 13, 0xff)])).toBe(3);
    expect(decode([Uint8Array.of(97, 13, 98, 10, 0xff)])).toBe(2);
  });

  test("a character that the file cuts is refused", () => {
    expect(decode([encode("ab\ncd"), Uint8Array.of(0xc3)])).toBe(2);
  });
});
