/** The characters that stand for bytes in byte-level vocabularies, as in GPT-2. */
import { isAscii } from "./characters.ts";
import { once } from "./tables.ts";

/**
 * The character for each byte: the byte's Latin-1 character if that is printable, otherwise a character from U+0100 on.
 */
const characters: () => readonly string[] = /* @__PURE__ */ once(() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCharCode(isPrintable ? byte : next++);
  });
});

const PRINTABLE = /^[!-~]*$/;

/** Converts each byte of a text's UTF-8 encoding to its character. */
export function byteCharacters(text: string): string {
  if (PRINTABLE.test(text)) return text;
  const table = characters();
  let written = "";
  if (isAscii(text)) {
    for (let i = 0; i < text.length; i++) written += table[text.charCodeAt(i)] ?? "";
    return written;
  }
  for (const byte of new TextEncoder().encode(text)) written += table[byte] ?? "";
  return written;
}

/** The byte of each character. */
export const bytesOfCharacters: () => ReadonlyMap<string, number> = /* @__PURE__ */ once(
  () => new Map(characters().map((character, byte) => [character, byte])),
);
