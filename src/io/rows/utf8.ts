/** Decodes the bytes of a row file piece by piece. Bytes that are not UTF-8 are refused with their line. */
import { unsharedBytes } from "../bytes.ts";
import { RowRefusal } from "./problems.ts";

export interface Utf8Decoder {
  /** Decodes a chunk and returns its text up to the last whole character. @throws RowRefusal */
  readonly push: (bytes: Uint8Array) => string;
  /** Ends the file and returns the rest of its text. @throws RowRefusal if it ends inside a character */
  readonly end: () => string;
}

/** How many bytes decide whether a file is UTF-16. */
const MARK_BYTES = 4;

/** The decoder drops a byte-order mark at the start of the file. U+FEFF elsewhere is text. */
export function createUtf8Decoder(file: string): Utf8Decoder {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest: Uint8Array = new Uint8Array(0);
  let hasBegun = false;
  let lineFeeds = 0;
  let carriageReturns = 0;

  const decode = (bytes: Uint8Array): string => {
    let start = 0;
    if (!hasBegun) {
      if (isUtf16(bytes)) throw encodingRefusal(file, 1, "UTF-16; save it as UTF-8");
      if (hasByteOrderMark(bytes)) start = 3;
      hasBegun = true;
    }
    try {
      const text = decoder.decode(bytes.subarray(start));
      lineFeeds += countOf("\n", text);
      // A carriage return ends a line only in a text without line feeds.
      if (lineFeeds === 0) carriageReturns += countOf("\r", text);
      return text;
    } catch {
      const bad = firstInvalidByte(bytes);
      const before = new TextDecoder().decode(bytes.subarray(0, bad));
      const feeds = lineFeeds + countOf("\n", before);
      const line = feeds > 0 ? feeds : carriageReturns + countOf("\r", before);
      const byte = (bytes[bad] ?? 0).toString(16).toUpperCase().padStart(2, "0");
      throw encodingRefusal(file, line + 1, `the byte ${byte}`);
    }
  };

  return {
    push: (chunk) => {
      const bytes = rest.length === 0 ? unsharedBytes(chunk) : joined(rest, chunk);
      const end = hasBegun || bytes.length >= MARK_BYTES ? endOfWholeCharacters(bytes) : 0;
      const text = end === 0 ? "" : decode(bytes.subarray(0, end));
      rest = bytes.slice(end);
      return text;
    },
    end: () => (rest.length === 0 ? "" : decode(rest)),
  };
}

function encodingRefusal(file: string, line: number, got: string): RowRefusal {
  return new RowRefusal({
    kind: "encoding",
    file,
    line,
    column: null,
    expected: "UTF-8 text",
    got,
  });
}

/** Whether the bytes begin with a mark of UTF-16, or with two of its Latin letters. */
function isUtf16([a, b, c, d]: Uint8Array): boolean {
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return true;
  if (d === undefined) return false;
  return (a !== 0 && b === 0 && c !== 0 && d === 0) || (a === 0 && b !== 0 && c === 0 && d !== 0);
}

function hasByteOrderMark([a, b, c]: Uint8Array): boolean {
  return a === 0xef && b === 0xbb && c === 0xbf;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

/** Returns the index at which an unfinished character at the end begins; the length if there is none. */
function endOfWholeCharacters(bytes: Uint8Array): number {
  const { length } = bytes;
  for (let back = 1; back <= Math.min(3, length); back++) {
    const byte = bytes[length - back] as number;
    if (byte < 0x80) return length;
    if (byte < 0xc0) continue;
    const size = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return size > back ? length - back : length;
  }
  return length;
}

/** Returns the index of the first byte that cannot be UTF-8, by bisection over the length of a valid beginning. */
function firstInvalidByte(bytes: Uint8Array): number {
  let valid = 0;
  let invalid = bytes.length + 1;
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >>> 1;
    if (mayBegin(bytes.subarray(0, middle))) valid = middle;
    else invalid = middle;
  }
  // If the byte after a valid beginning is wrong, the unfinished character before it is to blame.
  return endOfWholeCharacters(bytes.subarray(0, valid));
}

/** Whether the bytes are UTF-8 that may end inside a character. */
function mayBegin(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

export function countOf(character: string, text: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) count++;
  return count;
}
