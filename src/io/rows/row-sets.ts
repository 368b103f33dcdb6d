/** Ends the reading of training, validation and test files: decides what labels mean, and which rows are kept. */
import { type Either, isLeft, left, right } from "../../core/either.ts";
import { labelColumns, type RowColumns } from "./columns.ts";
import {
  type DecidedLabels,
  decideLabels,
  type LabelMeaning,
  type RowLabels,
  readLabels,
} from "./labels.ts";
import type { RowOptions } from "./options.ts";
import { addProblem, copyLog, countProblems, type ProblemLog, withProblem } from "./problems.ts";
import type { RowFile } from "./row-reader.ts";

/** The rows of a file after its end. Indices count the rows that the reader returned. */
export interface RowSet {
  readonly columns: RowColumns;
  /** Number of rows that the reader returned. */
  readonly rows: number;
  /** The indices of the rows to use: all, unless rows with bad labels are skipped. */
  readonly kept: Uint32Array;
  /** The rows that were skipped, with the reasons. */
  readonly skipped: ProblemLog;
}

export interface LabelledRowSet extends RowSet {
  readonly meaning: LabelMeaning;
  readonly labels: RowLabels;
}

const MULTI_LABEL = "multi_label_classification";

/** Ends a training file: decides what its labels mean. Fails with all problems of the file. */
export function endTraining(
  file: RowFile,
  { problemType, skipBadRows = false }: RowOptions,
): Either<ProblemLog, LabelledRowSet> {
  const { problems, columns } = file;
  if (file.isRefused || columns === undefined) return left(problems);
  const indicators = typeof columns.label === "string" ? null : columns.label;
  if (indicators !== null && problemType !== undefined && problemType !== MULTI_LABEL) {
    const expected = `${MULTI_LABEL} with several label columns`;
    const place = { option: "`problemType`", file: null, line: null, column: null };
    return left(withProblem(problems, { kind: "options", ...place, expected, got: problemType }));
  }
  const decided = decideLabels(file.labels, { problemType, indicators });
  const set = endLabelled(file, decided, skipBadRows);
  const { names } = decided.meaning;
  const least = decided.meaning.problemType === MULTI_LABEL ? 1 : 2;
  if (isLeft(set) || names === null || names.length >= least) return set;
  const place = { file: file.name, line: null, column: labelColumns(columns)[0] ?? null };
  const expected = `${least} or more labels`;
  const got = names.join() || "none";
  return left(withProblem(problems, { kind: "labels", ...place, expected, got }));
}

/** Ends a validation file, whose labels are those of the training file. */
export function endValidation(
  file: RowFile,
  meaning: LabelMeaning,
  { skipBadRows = false }: RowOptions,
): Either<ProblemLog, LabelledRowSet> {
  if (file.isRefused) return left(file.problems);
  return endLabelled(file, readLabels(file.labels, meaning), skipBadRows);
}

/** Ends a file whose labels are not read. */
export function endUnlabelled(file: RowFile): Either<ProblemLog, RowSet> {
  const { columns, rows, problems, skipped } = file;
  if (columns === undefined || countProblems(problems) > 0) return left(problems);
  return right({ columns, rows, kept: indices(rows), skipped });
}

function endLabelled(
  file: RowFile,
  { meaning, labels, bad }: DecidedLabels,
  skipBadRows: boolean,
): Either<ProblemLog, LabelledRowSet> {
  const { name, columns, rows } = file;
  const problems = copyLog(file.problems);
  const skipped = copyLog(file.skipped);
  const column = columns === undefined ? null : (labelColumns(columns)[0] ?? null);
  const isBad = new Uint8Array(rows);
  for (const { row, expected, got } of bad) {
    isBad[row] = 1;
    const line = file.labels.lines[row] as number;
    addProblem(skipBadRows ? skipped : problems, {
      kind: "label",
      file: name,
      line,
      column,
      expected,
      got,
    });
  }
  const kept = Uint32Array.from({ length: rows }, (_, row) => row).filter(
    (row) => isBad[row] === 0,
  );
  if (kept.length === 0 && countProblems(problems) === 0) {
    const got = "rows with problems only";
    const place = { file: name, line: null, column: null };
    addProblem(problems, { kind: "empty", ...place, expected: "rows", got });
  }
  if (columns === undefined || countProblems(problems) > 0) return left(problems);
  return right({ columns, rows, kept, skipped, meaning, labels });
}

function indices(count: number): Uint32Array {
  const all = new Uint32Array(count);
  for (let i = 0; i < count; i++) all[i] = i;
  return all;
}
