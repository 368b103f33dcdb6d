/**
 * Reads the rows of one file from its bytes, piece by piece. Of rows already passed on, only labels and lines are kept.
 */
import {
  chooseColumns,
  columnsProblem,
  type FoundColumns,
  labelColumns,
  type RowColumns,
} from "./columns.ts";
import { createCsvParser } from "./csv.ts";
import { csvRows } from "./csv-rows.ts";
import { createJsonParser } from "./json.ts";
import { jsonRows } from "./json-rows.ts";
import { addLabels, createLabelColumn, type LabelColumn } from "./label-column.ts";
import type { RowOptions } from "./options.ts";
import {
  addProblem,
  clearProblems,
  countProblems,
  createProblemLog,
  type ProblemLog,
  type RowProblem,
  RowRefusal,
} from "./problems.ts";
import type { RowSink } from "./row-sink.ts";
import { createLineParser } from "./text-lines.ts";
import { createUtf8Decoder } from "./utf8.ts";

/** The text of a row. */
export interface TextRow {
  readonly text: string;
  /** The second text; null for rows of one text. */
  readonly textPair: string | null;
}

/** What a reader knows about its file. Complete when the file has ended. */
export interface RowFile {
  readonly name: string;
  /** Undefined if the file has no header or no rows. */
  readonly columns: RowColumns | undefined;
  /** The names of all columns of the file. */
  readonly columnNames: readonly string[];
  /** The labels of all rows passed on, in their order. Empty if the rows have no labels. */
  readonly labels: LabelColumn;
  /** Number of rows passed on. */
  readonly rows: number;
  readonly problems: ProblemLog;
  /** Whether reading stopped at a problem, so that not all labels are known. */
  readonly isRefused: boolean;
  /** The rows that were skipped, with the reasons. */
  readonly skipped: ProblemLog;
}

/** A row of a file. */
export interface ReadRow extends TextRow {
  /** The physical line, from 1, at which the row starts. */
  readonly line: number;
}

export interface RowReader {
  /** Reads a chunk of the file, not compressed, and returns the rows that are complete. */
  readonly push: (bytes: Uint8Array) => readonly ReadRow[];
  /** Ends the file and returns its last rows. */
  readonly end: () => readonly ReadRow[];
  /** Refuses the file because its compressed data are broken. */
  readonly refuseGzip: (got: string) => void;
  /** Whether the file has a problem after which no more rows follow. */
  readonly isRefused: () => boolean;
  readonly file: () => RowFile;
}

export interface RowReaderOptions {
  /** The file's name, for its form and for problems. */
  readonly name: string;
  readonly options: RowOptions;
  /** The columns of the training file, for a validation or test file. Without them, the columns are chosen. */
  readonly columns?: RowColumns;
  /** Whether a file without labels is refused. If not, the labels of the file are not read. */
  readonly needsLabels: boolean;
  /** Whether a file whose name has another ending is read as lines of text. Default: it is refused. */
  readonly acceptsLines?: boolean;
}

type Form = "csv" | "tsv" | "json" | "lines";

/** The columns of lines of text, which have no names. */
export const LINE_COLUMNS: RowColumns = { text: "text", textPair: "text_pair", label: null };

const FORMS: readonly (readonly [RegExp, Form])[] = [
  [/\.csv(\.gz)?$/i, "csv"],
  [/\.tsv(\.gz)?$/i, "tsv"],
  [/\.jsonl?(\.gz)?$/i, "json"],
];

/** A file while it is read. */
interface Reading {
  readonly name: string;
  readonly problems: ProblemLog;
  readonly skipped: ProblemLog;
  columns: RowColumns | undefined;
  columnNames: readonly string[];
  labels: LabelColumn;
  /** The rows that are not passed on yet. */
  waiting: ReadRow[];
  rows: number;
  isRefused: boolean;
}

/**
 * Creates a reader of a row file. Its form is CSV or TSV by name, and JSON or JSON Lines by content; other names may mean
 * lines of text. Problems are collected; see {@link RowFile}.
 */
export function createRowReader(settings: RowReaderOptions): RowReader {
  const { name, options } = settings;
  const reading: Reading = {
    ...{ name, problems: createProblemLog(), skipped: createProblemLog() },
    ...{ columns: undefined, columnNames: [], labels: createLabelColumn() },
    ...{ waiting: [], rows: 0, isRefused: false },
  };
  const otherForm = settings.acceptsLines === true ? "lines" : undefined;
  const form = FORMS.find(([pattern]) => pattern.test(name))?.[1] ?? otherForm;
  if (form === "lines") reading.columns = LINE_COLUMNS;
  const decoder = createUtf8Decoder(name);
  const parser = createParser(name, form, options.labelSeparator, rowSink(reading, settings));

  const complete = (read: () => void): readonly ReadRow[] => {
    try {
      if (!reading.isRefused) read();
    } catch (error) {
      if (!(error instanceof RowRefusal)) throw error;
      refuse(reading, error.problem);
    }
    const { waiting } = reading;
    reading.waiting = [];
    return waiting;
  };

  return {
    push: (bytes) => complete(() => parser.push(decoder.push(bytes))),
    end: () =>
      complete(() => {
        parser.push(decoder.end());
        parser.end();
        refuseEmpty(reading);
      }),
    refuseGzip: (got) => {
      const place = { file: name, line: null, column: null };
      refuse(reading, { kind: "gzip", ...place, expected: "whole gzip data", got });
    },
    isRefused: () => reading.isRefused,
    file: () => {
      const { waiting: _, ...file } = reading;
      return file;
    },
  };
}

function refuse(reading: Reading, problem: RowProblem): void {
  reading.isRefused = true;
  // In text that is not what it seems, other problems mean nothing.
  if (problem.kind === "encoding" || problem.kind === "gzip") clearProblems(reading.problems);
  addProblem(reading.problems, problem);
}

/** Adds a problem if a file without other problems has no rows. */
function refuseEmpty({ name, problems, skipped, rows }: Reading): void {
  if (rows > 0 || countProblems(problems) > 0) return;
  const got = countProblems(skipped) > 0 ? "rows with problems only" : "none";
  const place = { file: name, line: null, column: null };
  addProblem(problems, { kind: "empty", ...place, expected: "rows", got });
}

function rowSink(
  reading: Reading,
  { name, options, columns, needsLabels }: RowReaderOptions,
): RowSink {
  const log = options.skipBadRows === true ? reading.skipped : reading.problems;
  return {
    choose: (found) => {
      const chosen =
        columns === undefined
          ? chooseColumns(found, options, needsLabels)
          : withColumns(found, needsLabels ? columns : { ...columns, label: null });
      if ("kind" in chosen) throw new RowRefusal(chosen);
      const used = needsLabels ? chosen : { ...chosen, label: null };
      reading.columns = used;
      reading.columnNames = found.names;
      if (typeof used.label !== "string") reading.labels = createLabelColumn(labelColumns(used));
      return used;
    },
    bad: (line, kind, column, { expected, got }) =>
      addProblem(log, { kind, file: name, line, column, expected, got }),
    row: (line, text, textPair, written) => {
      if (written !== null) addLabels(reading.labels, line, written);
      reading.waiting.push({ line, text, textPair });
      reading.rows++;
    },
  };
}

function withColumns(found: FoundColumns, columns: RowColumns): RowColumns | RowProblem {
  return columnsProblem(found, columns) ?? columns;
}

interface TextParser {
  readonly push: (text: string) => void;
  readonly end: () => void;
}

function createParser(
  file: string,
  form: Form | undefined,
  separator: string | undefined,
  sink: RowSink,
): TextParser {
  if (form === undefined) {
    const expected = "a file whose name ends with .csv, .tsv, .json or .jsonl, and .gz if you like";
    const refuse = (): never => {
      throw new RowRefusal({
        kind: "options",
        file,
        line: null,
        column: null,
        expected,
        got: file,
      });
    };
    return { push: refuse, end: refuse };
  }
  if (form === "lines") return createLineParser(file, sink);
  if (form === "json") {
    const parser = createJsonParser(file);
    const rowSink = {
      row: jsonRows(file, separator, sink),
      bad: (line: number, expected: string, got: string) =>
        sink.bad(line, "json", null, { expected, got }),
    };
    return { push: (text) => parser.push(text, rowSink), end: () => parser.end(rowSink) };
  }
  const parser = createCsvParser(file, form === "csv" ? "," : "\t");
  const take = csvRows(file, separator, sink);
  return { push: (text) => parser.push(text, take), end: () => parser.end(take) };
}
