/** Chooses the columns of text and labels, as the example script of transformers does, or as options name them. */
import type { RowOptions } from "./options.ts";
import type { RowProblem } from "./problems.ts";

/** The names of the chosen columns. */
export interface RowColumns {
  readonly text: string;
  /** Null for rows of one text. */
  readonly textPair: string | null;
  /** One column, or one column for each label. Null if the rows have no labels. */
  readonly label: string | readonly string[] | null;
}

/** The columns that a file has, in order, and the line that names them. */
export interface FoundColumns {
  readonly file: string;
  readonly line: number;
  /** Without spaces around them. A column without a name has an empty one. */
  readonly names: readonly string[];
}

const DEFAULT_LABEL = "label";
const PAIR = ["sentence1", "sentence2"] as const;

/** Removes white space of ASCII around a name or a label. */
export function trimmed(text: string): string {
  let begin = 0;
  let end = text.length;
  while (begin < end && isSpace(text.charCodeAt(begin))) begin++;
  while (end > begin && isSpace(text.charCodeAt(end - 1))) end--;
  return end - begin === text.length ? text : text.slice(begin, end);
}

function isSpace(code: number): boolean {
  return code === 32 || (code >= 9 && code <= 13);
}

/**
 * Chooses the columns of a training file. Without options, the labels are in `label`, and the texts in `sentence1` and
 * `sentence2`, or else in the first one or two other columns that have a name.
 *
 * @param needsLabel whether a file without labels is refused
 */
export function chooseColumns(
  found: FoundColumns,
  options: RowOptions,
  needsLabel: boolean,
): RowColumns | RowProblem {
  const wanted = labelNames(found.names, options.labelColumn);
  const hasLabels = wanted.every((name) => found.names.includes(name));
  const labels = hasLabels || needsLabel ? wanted : [];
  const others = found.names.filter((name) => name !== "" && !wanted.includes(name));
  const texts = chooseTexts(others, options);
  const columns = {
    text: texts[0] ?? "",
    textPair: texts[1] ?? null,
    label: labels.length > 1 ? labels : (labels[0] ?? null),
  };
  if (texts.length === 0) {
    const missing = missingColumn(found, options.textColumn ?? "text", "--text-column");
    return missingLabel(found, labels) ?? missing;
  }
  if (texts[0] === texts[1] && options.textPairColumn !== undefined)
    return columnProblem(found, columns.text, "two columns of text", "one column twice");
  const shared = texts.find((name) => labels.includes(name));
  if (shared !== undefined)
    return columnProblem(found, shared, "other columns for text and labels", "the same column");
  return columnsProblem(found, columns) ?? columns;
}

function chooseTexts(others: readonly string[], options: RowOptions): readonly string[] {
  const { textColumn, textPairColumn } = options;
  const pair = textPairColumn === undefined ? [] : [trimmed(textPairColumn)];
  if (textColumn !== undefined) return [trimmed(textColumn), ...pair];
  const free = others.filter((name) => !pair.includes(name));
  const byRule = PAIR.every((name) => free.includes(name)) ? PAIR : free.slice(0, 2);
  if (pair.length === 0) return byRule;
  return byRule.length === 0 ? [] : [...byRule.slice(0, 1), ...pair];
}

/** Returns the names of label columns. An exact name of a column wins over splitting at commas. */
function labelNames(names: readonly string[], given: RowOptions["labelColumn"]): readonly string[] {
  const parts = (given ?? [DEFAULT_LABEL]).flatMap((entry) =>
    names.includes(trimmed(entry)) ? [trimmed(entry)] : entry.split(",").map(trimmed),
  );
  const named = parts.filter((part) => part !== "");
  return named.length === 0 ? [DEFAULT_LABEL] : [...new Set(named)];
}

/** Returns the problem of columns that a file does not have, or has twice. */
export function columnsProblem(found: FoundColumns, columns: RowColumns): RowProblem | undefined {
  const labels = labelColumns(columns);
  const missing = missingLabel(found, labels);
  if (missing !== undefined) return missing;
  const texts = [columns.text, ...(columns.textPair === null ? [] : [columns.textPair])];
  for (const [index, name] of texts.entries()) {
    const option = index === 0 ? "--text-column" : "--text-pair-column";
    if (!found.names.includes(name)) return missingColumn(found, name, option);
  }
  const doubled = [...texts, ...labels].find(
    (name) => found.names.indexOf(name) !== found.names.lastIndexOf(name),
  );
  if (doubled === undefined) return undefined;
  return columnProblem(found, doubled, `one column ${doubled}`, "two of this name");
}

/** Describes the chosen columns for the user. */
export function describeColumns(columns: RowColumns): string {
  const { text, textPair } = columns;
  const quote = (name: string): string => JSON.stringify(name);
  const texts = [text, ...(textPair === null ? [] : [textPair])].map(quote).join(" and ");
  const labels = labelColumns(columns).map(quote).join(", ");
  return `columns: text ${texts}${labels === "" ? "" : `, label ${labels}`}`;
}

export function labelColumns({ label }: RowColumns): readonly string[] {
  if (label === null) return [];
  return typeof label === "string" ? [label] : label;
}

function missingLabel(found: FoundColumns, labels: readonly string[]): RowProblem | undefined {
  const name = labels.find((label) => !found.names.includes(label));
  return name === undefined ? undefined : missingColumn(found, name, "--label-column");
}

function missingColumn(found: FoundColumns, name: string, option: string): RowProblem {
  const names = found.names.filter((other) => other !== "").join(", ");
  const semicolons = found.names.length === 1 && names.includes(";");
  const hint = semicolons
    ? "the separator looks like a semicolon, expected a comma"
    : `${option} names another`;
  return columnProblem(found, name, `a column ${name}`, `${names || "none with a name"}; ${hint}`);
}

function columnProblem(
  { file, line }: FoundColumns,
  column: string,
  expected: string,
  got: string,
): RowProblem {
  return { kind: "column", file, line, column, expected, got };
}
