/**
 * Splits CSV and TSV text into records (RFC 4180), piece by piece. Lines without a quotation mark are split at the
 * separators; records with one are parsed by Papa Parse. LF and CRLF end records. CR ends records of a file without any
 * LF, and is text elsewhere. Lines of nothing or spaces are passed over.
 */
import Papa from "papaparse";
import { RowRefusal } from "./problems.ts";
import { countOf } from "./utf8.ts";

/** Receives a record and the physical line at which it starts. The next record reuses the list of its fields. */
export type RecordSink = (line: number, fields: readonly string[]) => void;

export interface CsvParser {
  /** Reads a piece of text and passes on its complete records. @throws RowRefusal */
  readonly push: (text: string, sink: RecordSink) => void;
  /** Ends the file and passes on the last record. @throws RowRefusal */
  readonly end: (sink: RecordSink) => void;
}

/** The most characters that wait for the end of a record. */
export const LONGEST_RECORD: number = 2 ** 27;

const QUOTE = '"';
const CR_CODE = 13;
const SPACE_CODE = 32;

export function createCsvParser(file: string, separator: "," | "\t"): CsvParser {
  let line = 1;
  /** The text of an unfinished record, and pieces of text without LF. */
  let rest = "";
  /** The length at which an unfinished record is parsed again. Doubling it keeps the total work linear. */
  let retryAt = 0;

  /** Passes on the records of text that ends with `newline`, or with the file. */
  const read = (text: string, newline: "\n" | "\r", isLast: boolean, sink: RecordSink): void => {
    const parse = quotedRecordParser(file, separator, newline);
    let at = 0;
    let quote = text.indexOf(QUOTE);
    const split = lineSplitter(text, separator);
    while (at < text.length) {
      const found = text.indexOf(newline, at);
      const end = found === -1 ? text.length : found;
      if (quote !== -1 && quote < at) quote = text.indexOf(QUOTE, at);
      if (quote !== -1 && quote < end) {
        const record = parse(text.slice(at), line, isLast);
        if (record === undefined) break;
        sink(line, record.fields);
        line += countOf(newline, text.slice(at, at + record.length));
        at += record.length;
        continue;
      }
      // A carriage return before the end of the file ends no line.
      const isCrlf = found > at && newline === "\n" && text.charCodeAt(end - 1) === CR_CODE;
      const stop = isCrlf ? end - 1 : end;
      if (!isBlank(text, at, stop)) {
        sink(line, split(at, stop));
      }
      at = end + 1;
      line++;
    }
    rest = text.slice(Math.min(at, text.length));
  };

  return {
    push: (text, sink) => {
      const feed = text.lastIndexOf("\n");
      const length = rest.length + text.length;
      if (length > LONGEST_RECORD) throw tooLong(file, line);
      if (feed === -1 || length < retryAt) {
        rest += text;
        return;
      }
      const tail = text.slice(feed + 1);
      read(rest + text.slice(0, feed + 1), "\n", false, sink);
      retryAt = 2 * rest.length;
      rest += tail;
    },
    end: (sink) => read(rest, rest.includes("\n") || line > 1 ? "\n" : "\r", true, sink),
  };
}

/**
 * Returns a function that splits a part of a text at the separators, for parts in order. It reuses the list of fields
 * and searches the text once.
 */
function lineSplitter(text: string, separator: string) {
  const fields: string[] = [];
  let next = text.indexOf(separator);
  return (begin: number, end: number): readonly string[] => {
    let count = 0;
    let at = begin;
    for (;;) {
      if (next !== -1 && next < at) next = text.indexOf(separator, at);
      if (next === -1 || next >= end) break;
      fields[count++] = text.slice(at, next);
      at = next + 1;
    }
    fields[count++] = text.slice(at, end);
    fields.length = count;
    return fields;
  };
}

function isBlank(text: string, begin: number, end: number): boolean {
  for (let i = begin; i < end; i++) if (text.charCodeAt(i) !== SPACE_CODE) return false;
  return true;
}

interface QuotedRecord {
  readonly fields: string[];
  /** Number of characters, with the line end. */
  readonly length: number;
}

/**
 * Returns a function that parses the record at the start of a text. It returns undefined if a quoted field is not closed
 * and the text is not the last. Papa Parse does not refuse spaces after a closing quotation mark, so the record's text is
 * compared with its fields.
 */
function quotedRecordParser(file: string, separator: string, newline: "\n" | "\r") {
  const parser = new Papa.Parser({ delimiter: separator, newline, quoteChar: QUOTE, preview: 1 });
  return (text: string, line: number, isLast: boolean): QuotedRecord | undefined => {
    const result = parser.parse(text, 0, false) as Papa.ParseResult<string[]>;
    const [error] = result.errors;
    const [fields = []] = result.data;
    const isOpen = error?.code === "MissingQuotes";
    if (isOpen && !isLast) return undefined;
    if (isOpen && fieldsEnd(text, fields.slice(0, -1), separator) === (error.index ?? 0) - 1)
      throw quoteRefusal(
        file,
        line + countOf(newline, text.slice(0, error.index)),
        "a closing quotation mark",
        "end of file",
      );
    const length = error === undefined ? recordLength(text, fields, separator, newline) : -1;
    if (length !== result.meta.cursor)
      throw quoteRefusal(
        file,
        line,
        "a separator or line end after a closing quotation mark",
        "other text; inside quotation marks, write a mark twice",
      );
    return { fields, length };
  };
}

/**
 * Returns the length of a record with these fields, with its line end, or -1 if the text does not have this form.
 * Removes the carriage return of CRLF from an unquoted last field.
 */
function recordLength(
  text: string,
  fields: string[],
  separator: string,
  newline: "\n" | "\r",
): number {
  const last = fields.length - 1;
  const begin = fieldsEnd(text, fields.slice(0, -1), separator);
  if (begin === -1) return -1;
  let at = begin + lengthInText(text, begin, fields[last] ?? "");
  if (newline === "\n" && text[at] === "\n" && text[at - 1] === "\r" && text[begin] !== QUOTE)
    fields[last] = (fields[last] ?? "").slice(0, -1);
  else if (newline === "\n" && text.startsWith("\r\n", at)) at++;
  if (at >= text.length) return text.length;
  return text[at] === newline ? at + 1 : -1;
}

/** Returns the index after these fields and a separator after each, or -1 if the text does not have this form. */
function fieldsEnd(text: string, fields: readonly string[], separator: string): number {
  let at = 0;
  for (const field of fields) {
    at += lengthInText(text, at, field);
    if (text[at] !== separator) return -1;
    at++;
  }
  return at;
}

/** Returns the number of characters of a field that begins at `at`, with its quotation marks. */
function lengthInText(text: string, at: number, field: string): number {
  return text[at] === QUOTE ? field.length + countOf(QUOTE, field) + 2 : field.length;
}

function quoteRefusal(file: string, line: number, expected: string, got: string): RowRefusal {
  return new RowRefusal({ kind: "quote", file, line, column: null, expected, got });
}

function tooLong(file: string, line: number): RowRefusal {
  const expected = `records of at most ${LONGEST_RECORD} characters`;
  return quoteRefusal(file, line, expected, "a longer one");
}
