/** Reads a regular expression from left to right. */
import { InputError } from "../../core/either.ts";

/** A pattern, and the position up to which it has been read. */
export interface Reader {
  readonly pattern: string;
  at: number;
  /** The number of atomic groups so far. */
  atomic: number;
  lookbehind: boolean;
}

export function unsupported({ pattern, at }: Reader, what: string): never {
  const got = `${what} at ${at} of ${JSON.stringify(pattern)}`;
  throw new InputError([{ path: "", expected: "a supported regular expression", got }]);
}

export function peek({ pattern, at }: Reader, text: string): boolean {
  return pattern.startsWith(text, at);
}

export function take(reader: Reader, text: string): boolean {
  if (!peek(reader, text)) return false;
  reader.at += text.length;
  return true;
}

/** Takes the next character. */
export function next(reader: Reader): string {
  const c = reader.pattern.codePointAt(reader.at);
  if (c === undefined) unsupported(reader, "an unexpected end");
  const character = String.fromCodePoint(c);
  reader.at += character.length;
  return character;
}

/** Takes the match of a sticky expression. */
export function match(reader: Reader, sticky: RegExp): RegExpExecArray | undefined {
  sticky.lastIndex = reader.at;
  const found = sticky.exec(reader.pattern);
  if (found === null) return undefined;
  reader.at += found[0].length;
  return found;
}
