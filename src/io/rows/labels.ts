/** Decides what the labels of a training file mean, and reads labels in this meaning. */
import { PROBLEM_TYPES, type ProblemType } from "../../core/problem-type.ts";
import { beginOfRow, type LabelColumn, labelsOfRow } from "./label-column.ts";
import { quoted } from "./problems.ts";

export { PROBLEM_TYPES, type ProblemType };

/** What labels mean. */
export interface LabelMeaning {
  readonly problemType: ProblemType;
  /** Whether labels are numbers: then 1, 1.0 and 1e0 are one label. */
  readonly numeric: boolean;
  /** The labels in the order of their ids; null for regression. */
  readonly names: readonly string[] | null;
}

/** The labels of rows. A row that is not kept has the id -1, the value NaN or no labels. */
export type RowLabels =
  | { readonly problemType: "single_label_classification"; readonly ids: Int32Array }
  | { readonly problemType: "regression"; readonly values: Float64Array }
  | {
      readonly problemType: "multi_label_classification";
      /** The ids of all rows, ascending within a row. */
      readonly ids: Int32Array;
      /** The index in `ids` after the last label of each row. */
      readonly ends: Uint32Array;
    };

/** A row whose labels cannot be read. */
export interface BadLabel {
  readonly row: number;
  readonly expected: string;
  readonly got: string;
}

export interface DecidedLabels {
  readonly meaning: LabelMeaning;
  readonly labels: RowLabels;
  readonly bad: readonly BadLabel[];
}

/** Words that stand for a missing number. */
const MISSING: readonly string[] = ["NA", "N/A", "NaN", "nan", "null", "NULL", "None"];

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * Returns the number that a label is; undefined if it is a name. A number is written as in JSON. A whole number beyond
 * 2^53 - 1 is a name, because several would be one number.
 */
export function labelNumber(label: string): number | undefined {
  if (!NUMBER.test(label)) return undefined;
  const value = Number(label) + 0;
  if (!Number.isFinite(value)) return undefined;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : value;
}

/** What a training file's options say about its labels. */
export interface LabelForm {
  readonly problemType: ProblemType | undefined;
  /** The labels of indicator columns, in order; null for other forms. */
  readonly indicators: readonly string[] | null;
}

/** Decides the meaning of a training file's labels, and reads them. */
export function decideLabels(column: LabelColumn, form: LabelForm): DecidedLabels {
  const hasLists = column.isList.indexOf(1) !== -1;
  const isMulti =
    form.problemType === "multi_label_classification" ||
    (form.problemType === undefined && (hasLists || form.indicators !== null));
  const accepts = !isMulti ? "single" : hasLists || form.indicators !== null ? "list" : "both";
  if (form.indicators !== null && isMulti)
    return readRows(
      column,
      meaningOf("multi_label_classification", false, form.indicators),
      accepts,
    );
  const used = usedSpellings(column, (row) => hasShape(column, row, accepts));
  const numeric = areNumbers(used);
  if (form.problemType === "regression" || (!isMulti && numeric && isRegression(form, used)))
    return readRows(column, meaningOf("regression", true, null), accepts);
  const type = isMulti ? "multi_label_classification" : "single_label_classification";
  // All labels are known first, to find the rows with problems; then only those of the other rows.
  const all = namesOf(used, numeric);
  const first = meaningOf(type, numeric, all);
  const bad = badLabels(column, first, idsOfSpellings(column, first), accepts);
  const badRows = new Set(bad.map(({ row }) => row));
  const kept = bad.length === 0 ? used : usedSpellings(column, (row) => !badRows.has(row));
  const names = sortedNames(namesOf(kept, numeric), numeric);
  return readRows(column, meaningOf(type, numeric, names), accepts);
}

/** Reads the labels of a validation file in the meaning of the training file's. */
export function readLabels(column: LabelColumn, meaning: LabelMeaning): DecidedLabels {
  if (meaning.problemType !== "multi_label_classification")
    return readRows(column, meaning, "single");
  return readRows(column, meaning, column.isList.indexOf(1) === -1 ? "both" : "list");
}

function meaningOf(
  problemType: ProblemType,
  numeric: boolean,
  names: readonly string[] | null,
): LabelMeaning {
  return { problemType, numeric, names };
}

/** Fractions mean regression, unless an option says that labels are classes. */
function isRegression({ problemType }: LabelForm, labels: readonly string[]): boolean {
  return problemType === undefined && labels.some((label) => !Number.isInteger(numberOr(label, 0)));
}

function numberOr(label: string, otherwise: number): number {
  return labelNumber(label) ?? otherwise;
}

/** Whether all labels are numbers, apart from words for a missing one. */
function areNumbers(labels: readonly string[]): boolean {
  const present = labels.filter((label) => !MISSING.includes(label));
  return present.length > 0 && present.every((label) => labelNumber(label) !== undefined);
}

/** Returns the name of a label; undefined if it must be a number and is not. */
function nameOf(label: string, numeric: boolean): string | undefined {
  if (!numeric) return label;
  const value = labelNumber(label);
  return value === undefined ? undefined : String(value);
}

function namesOf(labels: readonly string[], numeric: boolean): readonly string[] {
  const names = labels.map((label) => nameOf(label, numeric));
  return [...new Set(names.filter((name) => name !== undefined))];
}

/** Sorts numbers by value and names by code point. */
function sortedNames(names: readonly string[], numeric: boolean): readonly string[] {
  return names.toSorted(numeric ? (a, b) => Number(a) - Number(b) : compareCodePoints);
}

/** Compares by code point. JavaScript's order is that of UTF-16, with surrogates before U+E000. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = codeUnitOrder(a.charCodeAt(i)) - codeUnitOrder(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function codeUnitOrder(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}

/** The shape of a row's labels that is accepted. */
type Shape = "single" | "list" | "both";

function hasShape({ isList }: LabelColumn, row: number, accepts: Shape): boolean {
  return accepts === "both" || (isList[row] === 1) === (accepts === "list");
}

/** Returns the spellings in the rows that `counts` selects, in order of appearance. */
function usedSpellings(column: LabelColumn, counts: (row: number) => boolean): readonly string[] {
  const used = new Uint8Array(column.spellings.length);
  for (let row = 0; row < column.rows; row++) {
    if (!counts(row)) continue;
    const end = column.ends[row] as number;
    for (let at = beginOfRow(column, row); at < end; at++) used[column.labels[at] as number] = 1;
  }
  return column.spellings.filter((_, code) => used[code] === 1);
}

function readRows(column: LabelColumn, meaning: LabelMeaning, accepts: Shape): DecidedLabels {
  const ids = idsOfSpellings(column, meaning);
  const bad = badLabels(column, meaning, ids, accepts);
  const isKept = new Uint8Array(column.rows).fill(1);
  for (const { row } of bad) isKept[row] = 0;
  return { meaning, labels: rowLabels(column, meaning, ids, isKept), bad };
}

function badLabels(
  column: LabelColumn,
  meaning: LabelMeaning,
  ids: Float64Array,
  accepts: Shape,
): readonly BadLabel[] {
  const bad: BadLabel[] = [];
  for (let row = 0; row < column.rows; row++) {
    const problem = hasShape(column, row, accepts)
      ? labelProblem(column, row, meaning, ids)
      : accepts === "list"
        ? { expected: "a list of labels", got: "one label" }
        : { expected: "one label", got: "a list" };
    if (problem !== undefined) bad.push({ row, ...problem });
  }
  return bad;
}

/** Returns the id of every spelling, or its number for regression; -1 or NaN if it has none. */
function idsOfSpellings(
  { spellings }: LabelColumn,
  { names, numeric }: LabelMeaning,
): Float64Array {
  if (names === null) return Float64Array.from(spellings, (label) => numberOr(label, Number.NaN));
  const idOf = new Map(names.map((name, id) => [name, id]));
  return Float64Array.from(spellings, (label) => idOf.get(nameOf(label, numeric) ?? "") ?? -1);
}

/** Returns the problem of a label without an id, or of a label that is given twice. */
function labelProblem(
  column: LabelColumn,
  row: number,
  meaning: LabelMeaning,
  ids: Float64Array,
): Omit<BadLabel, "row"> | undefined {
  const begin = beginOfRow(column, row);
  const end = column.ends[row] as number;
  for (let at = begin; at < end; at++) {
    const code = column.labels[at] as number;
    const id = ids[code] as number;
    if (id >= 0 || (meaning.names === null && !Number.isNaN(id))) continue;
    const label = column.spellings[code] ?? "";
    const isMissing = meaning.numeric && MISSING.includes(label);
    const expected = meaning.numeric && labelNumber(label) === undefined ? "a number" : "";
    return {
      expected: expected || knownLabels(meaning.names ?? []),
      got: isMissing ? `${label}, which stands for a missing label` : quoted(label),
    };
  }
  if (end - begin < 2) return undefined;
  const seen = new Set(Array.from(labelsOfRow(column, row), (code) => ids[code]));
  return seen.size === end - begin
    ? undefined
    : { expected: "each label once in a list; zeros and ones belong in columns", got: "one twice" };
}

function knownLabels(names: readonly string[]): string {
  return names.length <= 5 ? names.join(" or ") : `one of the ${names.length} labels in training`;
}

function rowLabels(
  column: LabelColumn,
  { problemType }: LabelMeaning,
  ids: Float64Array,
  isKept: Uint8Array,
): RowLabels {
  const { rows } = column;
  switch (problemType) {
    case "single_label_classification":
      return { problemType, ids: firstLabelsInto(column, ids, isKept, -1, new Int32Array(rows)) };
    case "regression": {
      const values = new Float64Array(rows);
      return { problemType, values: firstLabelsInto(column, ids, isKept, Number.NaN, values) };
    }
    case "multi_label_classification":
      return { problemType, ...listsOfIds(column, ids, isKept) };
    default:
      return problemType satisfies never;
  }
}

/** Writes the id or value of each row's single label, or `other` if the row is not kept. */
function firstLabelsInto<T extends Int32Array | Float64Array>(
  column: LabelColumn,
  ids: Float64Array,
  isKept: Uint8Array,
  other: number,
  out: T,
): T {
  for (let row = 0; row < out.length; row++) {
    const code = column.labels[beginOfRow(column, row)] as number;
    out[row] = isKept[row] === 1 ? (ids[code] as number) : other;
  }
  return out;
}

function listsOfIds(column: LabelColumn, ids: Float64Array, isKept: Uint8Array) {
  const all = new Int32Array(column.ends[column.rows - 1] ?? 0);
  const ends = new Uint32Array(column.rows);
  let end = 0;
  for (let row = 0; row < column.rows; row++) {
    if (isKept[row] === 1) {
      const own = Float64Array.from(labelsOfRow(column, row), (code) => ids[code] as number).sort();
      all.set(own, end);
      end += own.length;
    }
    ends[row] = end;
  }
  return { ids: all.slice(0, end), ends };
}
