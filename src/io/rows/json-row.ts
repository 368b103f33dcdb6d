/** The interface of the parsers of JSON rows. */
import { isJsonObject, type JsonObject } from "../json.ts";

/** Receives rows, and values that are not rows. Lines are those at which they start. */
export interface JsonSink {
  /** @param text the object as written */
  readonly row: (line: number, object: JsonObject, text: string) => void;
  readonly bad: (line: number, expected: string, got: string) => void;
}

export interface JsonParser {
  /** Reads a piece of text and passes on its complete rows. @throws RowRefusal */
  readonly push: (text: string, sink: JsonSink) => void;
  /** Ends the file and passes on the last row. @throws RowRefusal */
  readonly end: (sink: JsonSink) => void;
}

/** Passes on a value, which should be an object. */
export function passOn(sink: JsonSink, line: number, value: unknown, text: string): void {
  if (isJsonObject(value)) sink.row(line, value, text);
  else sink.bad(line, "an object as row", kindOfJson(value));
}

/** Names the kind of a JSON value in messages. */
export function kindOfJson(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null || typeof value === "boolean") return String(value);
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
