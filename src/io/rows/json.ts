/**
 * Splits JSON text into rows, piece by piece. Three forms are told apart by content: an array; one object with an array
 * `data`; else JSON Lines, one object a line.
 */
import { isJsonObject, type JsonObject } from "../json.ts";
import { createJsonArrayParser } from "./json-array.ts";
import { createJsonLinesParser } from "./json-lines.ts";
import { createValueScanner, skipSpace } from "./json-members.ts";
import type { JsonParser } from "./json-row.ts";

type JsonForm = "array" | "data" | "lines";

/** How many characters are read at most before the form is decided. */
const LONGEST_BEGINNING = 2 ** 22;

/** Creates a parser that decides the form by the beginning of the text. */
export function createJsonParser(file: string): JsonParser {
  let waiting = "";
  let parser: JsonParser | undefined;

  const open = (form: JsonForm): JsonParser =>
    form === "lines" ? createJsonLinesParser(file) : createJsonArrayParser(file, form);

  return {
    push: (text, sink) => {
      if (parser !== undefined) {
        parser.push(text, sink);
        return;
      }
      waiting += text;
      const form = formOf(waiting, false);
      if (form === undefined) return;
      parser = open(form);
      parser.push(waiting, sink);
      waiting = "";
    },
    end: (sink) => {
      if (parser === undefined) {
        parser = open(formOf(waiting, true) ?? "lines");
        parser.push(waiting, sink);
      }
      parser.end(sink);
    },
  };
}

/** Decides the form of a text by its beginning. Returns undefined if more must be known. */
function formOf(text: string, isLast: boolean): JsonForm | undefined {
  const begin = skipSpace(text, 0);
  if (begin === text.length) return isLast ? "lines" : undefined;
  if (text[begin] === "[") return "array";
  if (text[begin] !== "{") return "lines";
  const isEnough = isLast || text.length >= LONGEST_BEGINNING;
  const feed = text.indexOf("\n", begin);
  if (feed === -1 && !isEnough) return undefined;
  const lineEnd = feed === -1 ? text.length : feed;
  const firstLine = parsedObject(text.slice(begin, lineEnd));
  if (firstLine === undefined) return objectForm(text, begin) ?? (isEnough ? "lines" : undefined);
  if (!Array.isArray(firstLine.data) || skipSpace(text, lineEnd) < text.length) return "lines";
  return isEnough ? "data" : undefined;
}

function parsedObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Looks for a member `data` whose value is an array. Returns undefined if the text ends before the object. */
function objectForm(text: string, begin: number): JsonForm | undefined {
  let at = skipSpace(text, begin + 1);
  if (at === text.length) return undefined;
  while (text[at] === '"') {
    const nameEnd = createValueScanner(at).resume(text, false);
    if (nameEnd === undefined) return undefined;
    const value = skipSpace(text, skipSpace(text, nameEnd) + 1);
    if (text[value] === "[" && text.slice(at, nameEnd) === '"data"') return "data";
    const valueEnd = createValueScanner(value).resume(text, false);
    if (valueEnd === undefined) return undefined;
    const comma = skipSpace(text, valueEnd);
    if (comma === text.length) return undefined;
    if (text[comma] !== ",") return "lines";
    at = skipSpace(text, comma + 1);
    if (at === text.length) return undefined;
  }
  return "lines";
}
