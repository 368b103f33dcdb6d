/**
 * Parses the tab-separated files of the GLUE benchmark (Wang et al., ICLR 2019). They have a header line and often a
 * byte-order mark. Quotation marks are ordinary text.
 */
import { checkOneOf, checkString } from "../core/checks.ts";
import { type Either, eachOf, type Problem, refuse, right } from "../core/either.ts";
import { splitLines } from "./text.ts";

/** A task whose file format is known. */
export type GlueTask = "mrpc" | "sst2";

/** One labelled example; `label` is the class index. */
export interface Example {
  readonly text: string;
  readonly textPair?: string;
  readonly label: number;
}

interface GlueFormat {
  readonly header: readonly string[];
  readonly label: number;
  readonly text: number;
  readonly textPair?: number;
  readonly classes: number;
}

const FORMATS: Readonly<Record<GlueTask, GlueFormat>> = {
  mrpc: {
    header: ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
    label: 0,
    text: 3,
    textPair: 4,
    classes: 2,
  },
  sst2: { header: ["sentence", "label"], label: 1, text: 0, classes: 2 },
};

/**
 * Parses a train or dev file. Every invalid row is reported as a problem at `fileName:line`. If the header is wrong,
 * that is the only problem.
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
  checkOneOf("task", task, Object.keys(FORMATS));
  checkString("fileName", fileName);
  checkString("text", text);
  const format = FORMATS[task];
  const [header = "", ...rows] = splitLines(text);
  if (header !== format.header.join("\t")) {
    const expected = `the header ${JSON.stringify(format.header.join("\t"))}`;
    return refuse(`${fileName}:1`, expected, quote(header));
  }
  if (rows.length === 0) return refuse(`${fileName}:2`, "at least one row", "end of file");
  return eachOf(rows, (row, index) => parseRow(format, `${fileName}:${index + 2}`, row));
}

function parseRow(
  format: GlueFormat,
  path: string,
  row: string,
): Either<readonly Problem[], Example> {
  const columns = row.split("\t");
  const names = format.header;
  if (columns.length !== names.length) {
    const expected = `${names.length} tab-separated columns (${names.join(", ")})`;
    return refuse(path, expected, `${columns.length}: ${quote(row)}`);
  }
  const label = columns[format.label] ?? "";
  if (!/^\d$/.test(label) || Number(label) >= format.classes) {
    const expected = `a ${names[format.label]} from 0 to ${format.classes - 1}`;
    return refuse(path, expected, quote(label));
  }
  for (const column of [format.text, format.textPair]) {
    if (column === undefined || columns[column]?.trim() !== "") continue;
    return refuse(path, `text in column ${names[column]}`, "none");
  }
  const text = columns[format.text] ?? "";
  const example = { text, label: Number(label) };
  if (format.textPair === undefined) return right(example);
  return right({ ...example, textPair: columns[format.textPair] ?? "" });
}

/** Quotes a text from the file for a message, and shortens it if necessary. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text);
}
