/** Finds the parts of JSON text: members of objects, elements of arrays, and the place of a syntax error. */

/** A member of an object or an element of an array. */
export interface JsonPart {
  /** The name of the member; null for an element. */
  readonly name: string | null;
  /** The value as written. */
  readonly text: string;
}

const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Lists the members of an object or the elements of an array in order, with values as written. A name that occurs twice
 * is listed twice.
 *
 * @param text JSON without errors
 */
export function jsonParts(text: string): readonly JsonPart[] {
  const parts: JsonPart[] = [];
  const isObject = text[skipSpace(text, 0)] === "{";
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (at < text.length - 1) {
    if (text[at] === "}" || text[at] === "]") break;
    let name: string | null = null;
    if (isObject) {
      const end = closingQuote(text, at + 1) + 1;
      name = JSON.parse(text.slice(at, end)) as string;
      at = skipSpace(text, skipSpace(text, end) + 1);
    }
    const end = valueEnd(text, at);
    parts.push({ name, text: text.slice(at, end) });
    at = skipSpace(text, end);
    if (text[at] === ",") at = skipSpace(text, at + 1);
  }
  return parts;
}

/** Returns the index after white space. */
export function skipSpace(text: string, begin: number): number {
  let at = begin;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) break;
  }
  return at;
}

/** Returns the index of the next quotation mark that no backslash escapes; the text's length if there is none. */
function closingQuote(text: string, begin: number): number {
  for (let at = text.indexOf('"', begin); at !== -1; at = text.indexOf('"', at + 1)) {
    let first = at;
    while (text.charCodeAt(first - 1) === BACKSLASH) first--;
    if ((at - first) % 2 === 0) return at;
  }
  return text.length;
}

/** Returns the index after the value that begins at `begin`; the text's length if the value has no end. */
function valueEnd(text: string, begin: number): number {
  const scanner = createValueScanner(begin);
  return scanner.resume(text, true) ?? text.length;
}

/** Finds the end of a value in text that grows. */
export interface ValueScanner {
  /**
   * Continues the scan at the previous end of the text. Returns the index after the value, or undefined if the value
   * may be longer than the text.
   *
   * @param text the text with more characters at its end
   */
  readonly resume: (text: string, isLast: boolean) => number | undefined;
  /** Follows the removal of characters from the text before the value. */
  readonly move: (removed: number) => void;
}

/** Creates a scanner of the value that begins at `start`. It counts brackets and does not check the syntax. */
export function createValueScanner(start: number): ValueScanner {
  let begin = start;
  let at = start;
  let depth = 0;
  let inString = false;
  return {
    resume: (text, isLast) => {
      for (; at < text.length; at++) {
        const code = text.charCodeAt(at);
        if (inString) {
          at = closingQuote(text, at);
          if (at === text.length) break;
          inString = false;
          if (depth === 0) return at + 1;
        } else if (code === QUOTE) {
          // A string ends a number or a word before it, which is an error.
          if (depth === 0 && at > begin) return at;
          inString = true;
        } else if (code === 123 || code === 91) {
          if (depth === 0 && at > begin) return at;
          depth++;
        } else if (code === 125 || code === 93) {
          if (depth === 0) return at;
          if (--depth === 0) return at + 1;
        } else if (depth === 0 && isAfterScalar(code)) return at;
      }
      return isLast ? Math.min(at, text.length) : undefined;
    },
    move: (removed) => {
      begin -= removed;
      at -= removed;
    },
  };
}

/** Whether a character ends a number or a word: white space, a comma or a colon. */
function isAfterScalar(code: number): boolean {
  return code === 44 || code === 58 || code === 32 || code === 10 || code === 13 || code === 9;
}

const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[\da-fA-F]{4})/y;

/** The index after a part of the text, or the index of its syntax error. */
interface Reading {
  readonly at: number;
  readonly isError: boolean;
}

/**
 * Returns the index of the first syntax error in a text that should be one value; the text's length if it is cut. A
 * string that is not closed is an error at its beginning.
 */
export function jsonErrorIndex(text: string): number {
  const open: ("{" | "[")[] = [];
  let at = skipSpace(text, 0);
  for (;;) {
    const opening = text[at];
    let begins: Reading | undefined;
    if (opening === "{" || opening === "[") {
      open.push(opening);
      at = skipSpace(text, at + 1);
      if (text[at] !== closingOf(opening)) begins = beginItem(text, at, opening);
    } else {
      const value = readScalar(text, at);
      if (value.isError) return value.at;
      at = skipSpace(text, value.at);
    }
    while (begins === undefined) {
      const container = open.at(-1);
      if (container === undefined) return at;
      const isClosed = text[at] === closingOf(container);
      if (!isClosed && text[at] !== ",") return at;
      at = skipSpace(text, at + 1);
      if (isClosed) open.pop();
      else begins = beginItem(text, at, container);
    }
    if (begins.isError) return begins.at;
    at = begins.at;
  }
}

function closingOf(opening: "{" | "["): string {
  return opening === "{" ? "}" : "]";
}

/** Reads what comes before a value: in an object, its name and a colon. */
function beginItem(text: string, begin: number, container: "{" | "["): Reading {
  if (container === "[") return { at: begin, isError: false };
  if (text[begin] !== '"') return { at: begin, isError: true };
  const name = readString(text, begin);
  if (name.isError) return name;
  const colon = skipSpace(text, name.at);
  if (text[colon] !== ":") return { at: colon, isError: true };
  return { at: skipSpace(text, colon + 1), isError: false };
}

function readScalar(text: string, begin: number): Reading {
  if (text[begin] === '"') return readString(text, begin);
  SCALAR.lastIndex = begin;
  const isScalar = SCALAR.test(text);
  return { at: isScalar ? SCALAR.lastIndex : begin, isError: !isScalar };
}

function readString(text: string, begin: number): Reading {
  for (let at = begin + 1; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return { at: at + 1, isError: false };
    if (code < 32) return { at, isError: true };
    if (code === BACKSLASH) {
      ESCAPE.lastIndex = at;
      if (!ESCAPE.test(text)) return { at, isError: true };
      at = ESCAPE.lastIndex;
    } else at++;
  }
  return { at: begin, isError: true };
}
