/** Splits a JSON array, or the array `data` of one object, into rows. A syntax error is refused with its line. */
import { LONGEST_RECORD } from "./csv.ts";
import {
  createValueScanner,
  jsonErrorIndex,
  skipSpace,
  type ValueScanner,
} from "./json-members.ts";
import { type JsonParser, type JsonSink, passOn } from "./json-row.ts";
import { RowRefusal } from "./problems.ts";
import { countOf } from "./utf8.ts";

/** What comes next in the text. The rows are the elements; members are those of the object around the array. */
type Next =
  | "array"
  | "object"
  | "first element"
  | "element"
  | "after element"
  | "first name"
  | "name"
  | "colon"
  | "member"
  | "after member"
  | "end";

/** The text that is not read yet, and the place in it. */
interface Cursor {
  readonly file: string;
  readonly form: "array" | "data";
  next: Next;
  text: string;
  at: number;
  /** The line at `at`. */
  line: number;
  /** The name of the member that is read. */
  name: string;
  /** The scanner of a value that is not complete. */
  scanner: ValueScanner | undefined;
}

export function createJsonArrayParser(file: string, form: "array" | "data"): JsonParser {
  const next = form === "array" ? "array" : "object";
  const cursor: Cursor = {
    ...{ file, form, next, text: "", at: 0, line: 1 },
    ...{ name: "", scanner: undefined },
  };
  /** The length at which an incomplete value is scanned on. Doubling it keeps the total work linear. */
  let retryAt = 0;
  return {
    push: (more, sink) => {
      cursor.text = cursor.text.slice(cursor.at) + more;
      cursor.scanner?.move(cursor.at);
      cursor.at = 0;
      const { length } = cursor.text;
      if (length > LONGEST_RECORD)
        refuse(cursor, 0, `rows of at most ${LONGEST_RECORD} characters`);
      if (length < retryAt) return;
      while (step(cursor, sink, false));
      retryAt = cursor.scanner === undefined ? 0 : 2 * (length - cursor.at);
    },
    end: (sink) => {
      while (step(cursor, sink, true));
      if (cursor.next !== "end") refuse(cursor, cursor.text.length, `the ${cursor.next}`);
    },
  };
}

/** Takes the next part of the text. Returns false if more text must come. */
function step(cursor: Cursor, sink: JsonSink, isLast: boolean): boolean {
  if (cursor.scanner === undefined) advance(cursor, skipSpace(cursor.text, cursor.at));
  if (cursor.at >= cursor.text.length) return false;
  const next = STEPS[cursor.next](cursor, sink, isLast);
  if (next !== undefined) cursor.next = next;
  return next !== undefined;
}

/** Takes a part of the text and returns what comes after it; undefined if more text must come. */
type Step = (cursor: Cursor, sink: JsonSink, isLast: boolean) => Next | undefined;

const takeElement: Step = (cursor, sink, isLast) => {
  const element = takeValue(cursor, isLast);
  if (element === undefined) return undefined;
  passOn(sink, element.line, element.value, element.text);
  return "after element";
};

const takeName: Step = (cursor, _, isLast) => {
  if (cursor.text[cursor.at] !== '"') refuse(cursor, cursor.at, "a name");
  const name = takeValue(cursor, isLast);
  if (name === undefined) return undefined;
  cursor.name = String(name.value);
  return "colon";
};

const afterArray = ({ form }: Cursor): Next => (form === "array" ? "end" : "after member");

const STEPS: Readonly<Record<Next, Step>> = {
  array: (cursor) => {
    takeOneOf(cursor, "[");
    return "first element";
  },
  object: (cursor) => {
    takeOneOf(cursor, "{");
    return "first name";
  },
  "first element": (cursor, sink, isLast) =>
    take(cursor, "]") === undefined ? takeElement(cursor, sink, isLast) : afterArray(cursor),
  element: takeElement,
  "after element": (cursor) => (takeOneOf(cursor, ",]") === "," ? "element" : afterArray(cursor)),
  "first name": (cursor, sink, isLast) =>
    take(cursor, "}") === undefined ? takeName(cursor, sink, isLast) : "end",
  name: takeName,
  colon: (cursor) => {
    takeOneOf(cursor, ":");
    return "member";
  },
  member: (cursor, _, isLast) => {
    if (cursor.name === "data" && take(cursor, "[") !== undefined) return "first element";
    return takeValue(cursor, isLast) === undefined ? undefined : "after member";
  },
  "after member": (cursor) => (takeOneOf(cursor, ",}") === "," ? "name" : "end"),
  end: (cursor) => refuse(cursor, cursor.at, "end of file"),
};

function advance(cursor: Cursor, to: number): void {
  cursor.line += countOf("\n", cursor.text.slice(cursor.at, to));
  cursor.at = to;
}

function refuse(cursor: Cursor, index: number, expected: string): never {
  advance(cursor, index);
  const { file, line, text, at } = cursor;
  const got = at < text.length ? JSON.stringify(text[at]) : "end of file";
  throw new RowRefusal({ kind: "json", file, line, column: null, expected, got });
}

/** Takes one of the characters, or returns undefined without moving. */
function take(cursor: Cursor, characters: string): string | undefined {
  const character = cursor.text[cursor.at];
  if (character === undefined || !characters.includes(character)) return undefined;
  cursor.at++;
  return character;
}

function takeOneOf(cursor: Cursor, characters: string): string {
  return take(cursor, characters) ?? refuse(cursor, cursor.at, [...characters].join(" or "));
}

/** A value, and the line at which it starts. */
interface TakenValue {
  readonly value: unknown;
  readonly text: string;
  readonly line: number;
}

/** Takes a value, or returns undefined if more text must come. */
function takeValue(cursor: Cursor, isLast: boolean): TakenValue | undefined {
  cursor.scanner ??= createValueScanner(cursor.at);
  const end = cursor.scanner.resume(cursor.text, isLast);
  if (end === undefined) return undefined;
  cursor.scanner = undefined;
  const { at, line } = cursor;
  const text = cursor.text.slice(at, end);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse(cursor, at + jsonErrorIndex(text), "JSON");
  }
  advance(cursor, end);
  return { value, text, line };
}
