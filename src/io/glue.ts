/**
 * Parses the tab-separated files of the GLUE benchmark (Wang et al., ICLR 2019). They have a header line, except CoLA's,
 * and often a byte-order mark. Quotation marks are ordinary text.
 */
import { checkOneOf, checkString } from "../core/checks.ts";
import { type Either, eachOf, map, mapLeft, type Problem, refuse, right } from "../core/either.ts";
import { GLUE_TASKS, type GlueFormat, type GlueTask } from "./glue-tasks.ts";
import { splitLines } from "./text.ts";

export type { GlueTask };

/** One labelled example; `label` is the class index, or the value for regression. */
export interface Example {
  readonly text: string;
  readonly textPair?: string;
  readonly label: number;
}

/**
 * Parses a train or dev file. Invalid rows are problems at `fileName:line`: the first 20, and the number of the others. If
 * the header is wrong, that is the only problem.
 *
 * @example
 * ```ts
 * import { formatProblem, getOrThrow, parseGlueTsv } from "espalier/io";
 *
 * const [row] = getOrThrow(parseGlueTsv("sst2", "dev.tsv", 'sentence\tlabel\na " charming journey\t1\n'));
 * if (row?.label !== 1) throw new Error("expected one example");
 * const broken = parseGlueTsv("sst2", "dev.tsv", "sentence\tlabel\na charming journey\tyes\n");
 * if (broken._tag === "Right") throw new Error("expected a problem");
 * const expected = 'dev.tsv:2: expected a label from 0 to 1, got "yes"';
 * if (broken.left.map(formatProblem).join() !== expected) throw new Error("expected its line");
 * ```
 */
export function parseGlueTsv(
  task: GlueTask,
  fileName: string,
  text: string,
): Either<readonly Problem[], readonly Example[]> {
  checkOneOf("task", task, Object.keys(GLUE_TASKS));
  checkString("fileName", fileName);
  checkString("text", text);
  return parseGlueRows(task, fileName, text, (example) => example);
}

/**
 * Like {@link parseGlueTsv}, for any result of a row.
 *
 * @param rowOf receives each example and its line in the file, from 1
 */
export function parseGlueRows<T>(
  task: GlueTask,
  fileName: string,
  text: string,
  rowOf: (example: Example, line: number) => T,
): Either<readonly Problem[], readonly T[]> {
  const format: GlueFormat = GLUE_TASKS[task];
  const { columns, evaluationColumns = columns, hasHeader } = format;
  const accepted = [columns, evaluationColumns];
  return readRows(format, { accepted, hasHeader }, fileName, text, (row) => {
    const label = labelOf(format, row);
    if (typeof label !== "number") return refuse(row.path, label.expected, quote(label.got));
    const made = (texts: Omit<Example, "label">): T => rowOf({ ...texts, label }, row.line);
    return map(made)(textsOf(format, row));
  });
}

/** Parses a test file, whose rows have no labels. */
export function parseGlueTest(
  task: GlueTask,
  fileName: string,
  text: string,
): Either<readonly Problem[], readonly Omit<Example, "label">[]> {
  const format: GlueFormat = GLUE_TASKS[task];
  const form = { accepted: [format.testColumns], hasHeader: true };
  return readRows(format, form, fileName, text, (row) => textsOf(format, row));
}

/** The fields of a row under the names of its columns. */
interface Row {
  readonly line: number;
  readonly path: string;
  readonly columns: readonly string[];
  readonly fields: readonly string[];
}

interface FileForm {
  /** The lists of columns that a file may have. */
  readonly accepted: readonly (readonly string[])[];
  readonly hasHeader: boolean;
}

function readRows<T>(
  { skipsShortRows = false }: GlueFormat,
  { accepted, hasHeader }: FileForm,
  fileName: string,
  text: string,
  read: (row: Row) => Either<readonly Problem[], T>,
): Either<readonly Problem[], readonly T[]> {
  const lines = splitLines(text);
  const header = hasHeader ? (lines.shift() ?? "") : undefined;
  const columns =
    header === undefined ? accepted[0] : accepted.find((names) => names.join("\t") === header);
  if (columns === undefined) {
    const expected = `the header ${JSON.stringify(accepted[0]?.join("\t"))}`;
    return refuse(`${fileName}:1`, expected, quote(header ?? ""));
  }
  const firstLine = hasHeader ? 2 : 1;
  if (lines.length === 0)
    return refuse(`${fileName}:${firstLine}`, "at least one row", "end of file");
  const rows = lines.map((row, index) => ({ row, line: index + firstLine }));
  const isShort = (row: string): boolean => row.split("\t").length < columns.length;
  const kept = skipsShortRows ? rows.filter(({ row }) => !isShort(row)) : rows;
  const parsed = eachOf(kept, ({ row, line }) => {
    const path = `${fileName}:${line}`;
    const fields = row.split("\t");
    if (fields.length === columns.length) return read({ line, path, columns, fields });
    const expected = `${columns.length} tab-separated columns (${columns.join(", ")})`;
    return refuse(path, expected, `${fields.length}: ${quote(row)}`);
  });
  return mapLeft((problems: readonly Problem[]) => firstProblems(fileName, problems))(parsed);
}

/** How many problems of a file are listed. */
const LISTED_PROBLEMS = 20;

function firstProblems(path: string, problems: readonly Problem[]): readonly Problem[] {
  const more = problems.length - LISTED_PROBLEMS;
  if (more <= 0) return problems;
  const others = { path, expected: "no problems", got: `${more} more` };
  return [...problems.slice(0, LISTED_PROBLEMS), others];
}

function fieldOf({ columns, fields }: Row, column: string): string {
  return fields[columns.indexOf(column)] ?? "";
}

function textsOf(
  { text, textPair }: GlueFormat,
  row: Row,
): Either<readonly Problem[], Omit<Example, "label">> {
  for (const column of [text, textPair]) {
    if (column === undefined || fieldOf(row, column).trim() !== "") continue;
    return refuse(row.path, `text in column ${column}`, "none");
  }
  const first = { text: fieldOf(row, text) };
  return right(textPair === undefined ? first : { ...first, textPair: fieldOf(row, textPair) });
}

/** The highest value of a label of regression; the lowest is 0. */
const MOST_VALUE = 5;

/** Returns the class or the value of a row, or why it has none. */
function labelOf(
  { label: column, names, writesNames = false }: GlueFormat,
  row: Row,
): number | { readonly expected: string; readonly got: string } {
  const got = fieldOf(row, column);
  if (names === null) {
    const value = Number(got);
    const isValue = /^\d+(\.\d+)?$/.test(got) && value <= MOST_VALUE;
    return isValue ? value : { expected: `a ${column} from 0 to ${MOST_VALUE}`, got };
  }
  if (writesNames) {
    const id = names.indexOf(got);
    return id >= 0 ? id : { expected: `a ${column}: ${names.join(" or ")}`, got };
  }
  if (/^\d$/.test(got) && Number(got) < names.length) return Number(got);
  return { expected: `a ${column} from 0 to ${names.length - 1}`, got };
}

/** Quotes a text from the file for a message, and shortens it if necessary. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
