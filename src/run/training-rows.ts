/** Reads the training and validation rows of a run from row files, and decides what their labels mean. */
import { counted } from "../core/counted.ts";
import { type Either, getOrThrow, isLeft, left, type Problem, right } from "../core/either.ts";
import { describeColumns, labelColumns, type RowColumns } from "../io/rows/columns.ts";
import type { LabelMeaning, RowLabels } from "../io/rows/labels.ts";
import { optionProblems, type RowOptions, splitProblem } from "../io/rows/options.ts";
import {
  countProblems,
  createProblemLog,
  formatRowProblem,
  type ProblemLog,
  quoted,
  rowProblems,
  toProblem,
} from "../io/rows/problems.ts";
import type { RowFile, TextRow } from "../io/rows/row-reader.ts";
import { endTraining, endValidation, type LabelledRowSet } from "../io/rows/row-sets.ts";
import { splitRows } from "../io/rows/split.ts";
import { type PackedRows, type PackedTokens, selectRows } from "../train/packed-rows.ts";
import type { EvaluationTexts } from "./final-models.ts";
import { type RowTokenizer, readTokenFile, type TokenFile } from "./row-file.ts";
import { readAgain } from "./row-passes.ts";
import { kindProblem, type RunStorage } from "./storage.ts";

/** The row files of a run and how they are read. Problems name a file's option by its key here, in backticks. */
export interface RowFilesRequest extends RowOptions {
  readonly trainFile: string;
  readonly validationFile?: string | undefined;
  readonly testFile?: string | undefined;
  /** The share of the training rows to validate on without a validation file. Default 0.1. */
  readonly validationSplit?: number | undefined;
  /** The seed of that draw. */
  readonly splitSeed: number;
}

/** A set of tokenized rows, and the rows of its file that were skipped. */
interface ReadRows {
  readonly rows: PackedRows;
  readonly skipped: ProblemLog;
}

/** A set of rows with their places in a file. */
interface LocatedRows extends ReadRows {
  readonly path: string;
  /** The index of each row in the file, ascending. */
  readonly kept: Uint32Array;
}

/** The rows of a run. */
export interface TrainingRows {
  readonly columns: RowColumns;
  readonly meaning: LabelMeaning;
  readonly training: ReadRows;
  readonly validation: LocatedRows;
  readonly test: ReadRows | undefined;
  /** The share of rows that were drawn for validation; null with a validation file. */
  readonly split: number | null;
}

export const DEFAULT_SPLIT = 0.1;

/** Returns the problems of files that do not exist and of options that contradict each other. */
export async function rowFileProblems(
  storage: RunStorage,
  request: RowFilesRequest,
): Promise<readonly Problem[]> {
  const { trainFile, validationFile, validationSplit, testFile } = request;
  const missing = [
    await kindProblem(storage, "file", "`trainFile`", trainFile),
    validationFile && (await kindProblem(storage, "file", "`validationFile`", validationFile)),
    testFile && (await kindProblem(storage, "file", "`testFile`", testFile)),
  ];
  const split =
    validationSplit === undefined
      ? undefined
      : splitProblem(validationSplit, validationFile !== undefined);
  return [
    ...missing.flatMap((problem) => problem || []),
    ...[...(split === undefined ? [] : [split]), ...optionProblems(request)].map(toProblem),
  ];
}

/** Reads and tokenizes all rows of a request, or returns the problems in a file. The request has no problems itself. */
export async function readTrainingRows(
  storage: RunStorage,
  request: RowFilesRequest,
  tokenizer: RowTokenizer,
): Promise<Either<readonly Problem[], TrainingRows>> {
  const { trainFile, validationFile, testFile, validationSplit: share = DEFAULT_SPLIT } = request;
  const options = { options: request, needsLabels: true };
  const read = await readTokenFile(storage, trainFile, options, tokenizer);
  const training = endTraining(read.file, request);
  if (isLeft(training)) return left(rowProblems(training.left));
  const { columns, meaning } = training.right;
  const unlikely = labelColumnProblem(read.file, training.right, request);
  if (unlikely !== undefined) return left([unlikely]);
  /** Reads further rows with the columns and labels of the training file. */
  const readOther = async (path: string): Promise<Either<readonly Problem[], LocatedRows>> => {
    const { file, tokens } = await readTokenFile(storage, path, { ...options, columns }, tokenizer);
    const set = endValidation(file, meaning, request);
    if (isLeft(set)) return left(rowProblems(set.left));
    const { kept, labels, skipped } = set.right;
    return right({ rows: labelledRows(tokens, kept, labels, meaning.names), skipped, path, kept });
  };
  const validation = validationFile === undefined ? undefined : await readOther(validationFile);
  const test = testFile === undefined ? undefined : await readOther(testFile);
  const problems = [validation, test].flatMap((set) => (set && isLeft(set) ? set.left : []));
  if (problems.length > 0) return left(problems);
  const found = { columns, meaning, test: test && getOrThrow(test) };
  if (validation === undefined) return drawn(found, read, training.right, share, request);
  const { kept, labels, skipped } = training.right;
  const rows = labelledRows(read.tokens, kept, labels, meaning.names);
  return right({
    ...found,
    training: { rows, skipped },
    validation: getOrThrow(validation),
    split: null,
  });
}

/** The number of labels that any file may have. */
const FEW_LABELS = 20;

/**
 * Returns the problem of a column that hardly holds labels, such as ids or free text: more than {@link FEW_LABELS}
 * classes, and fewer than two rows for each on average. An explicit problem type accepts any column.
 */
function labelColumnProblem(
  { columnNames }: RowFile,
  { columns, meaning, kept }: LabelledRowSet,
  { trainFile, problemType }: RowFilesRequest,
): Problem | undefined {
  const { names } = meaning;
  if (problemType !== undefined || meaning.problemType !== SINGLE || names === null) return;
  if (names.length <= FEW_LABELS || 2 * names.length <= kept.length) return;
  const [column] = labelColumns(columns);
  const others = columnNames.filter((name) => name !== "" && name !== column);
  return {
    path: `${trainFile}, column ${JSON.stringify(column)}`,
    expected: `at most half as many labels as rows; \`labelColumn\` names another column, and \`problemType\` ${SINGLE} accepts this one`,
    got: `${names.length} labels (${names.slice(0, 3).map(quoted).join(", ")}, ...) in ${kept.length} rows; other columns: ${others.join(", ") || "none"}`,
  };
}

/** Divides the rows of the training file into training and validation rows. */
function drawn(
  found: Pick<TrainingRows, "columns" | "meaning" | "test">,
  { tokens }: TokenFile,
  { kept, labels, skipped }: LabelledRowSet,
  share: number,
  { trainFile, splitSeed }: RowFilesRequest,
): Either<readonly Problem[], TrainingRows> {
  const split = splitRows(kept, labels, share, splitSeed);
  const rowsAt = (rows: Uint32Array) => labelledRows(tokens, rows, labels, found.meaning.names);
  if (split.validation.length === 0) {
    const expected = "two or more rows of a label, or `validationFile`";
    return left([{ path: trainFile, expected, got: "one row of each label" }]);
  }
  return right({
    ...found,
    training: { rows: rowsAt(split.training), skipped },
    validation: {
      ...{ rows: rowsAt(split.validation), skipped: NONE_SKIPPED },
      ...{ path: trainFile, kept: split.validation },
    },
    split: share,
  });
}

/** Returns the function that reads the texts of validation rows again, since they are not kept in memory. */
export function validationTexts(
  storage: RunStorage,
  request: RowFilesRequest,
  { columns, validation: { path, kept } }: TrainingRows,
): EvaluationTexts {
  return async (rows) => {
    const wanted = Uint32Array.from(rows, (row) => kept[row] as number);
    const options = { name: path, options: request, columns, needsLabels: true };
    const texts = new Map<number, TextRow>();
    const reading = readAgain(storage, options, wanted);
    try {
      await reading(async (found) => {
        for (const row of found) texts.set(rows[texts.size] as number, row);
      });
    } catch {
      // The file changed or is gone since it was read. The results do not need it.
      return new Map();
    }
    return texts;
  };
}

/** Describes the rows in lines of text: columns, numbers of rows, skipped rows, problem type and labels. */
export function describeRows(
  { trainFile, validationFile, testFile, splitSeed }: RowFilesRequest,
  { columns, meaning, training, validation, test, split }: TrainingRows,
): readonly string[] {
  const source =
    split === null
      ? `from ${validationFile}`
      : `${split} of the file, by seed ${splitSeed}${meaning.problemType === SINGLE ? ", label by label" : ""}`;
  const skipped = [
    ...skippedLines(trainFile, training),
    ...skippedLines(validationFile, validation),
    ...(test === undefined ? [] : skippedLines(testFile, test)),
  ];
  return [
    describeColumns(columns),
    `rows: ${training.rows.length} for training, ${validation.rows.length} for validation (${source})`,
    ...skipped,
    `problem type: ${meaning.problemType}${labelText(meaning)}`,
  ];
}

const SINGLE = "single_label_classification";

/** The number of labels that a description lists. */
const LISTED_LABELS = 10;

function quotedName(name: string): string {
  return JSON.stringify(name);
}

function labelText({ names }: LabelMeaning): string {
  if (names === null) return "";
  const listed = names.slice(0, LISTED_LABELS).map(quotedName).join(", ");
  return `, ${counted(names.length, "label")}: ${listed}${names.length > LISTED_LABELS ? ", ..." : ""}`;
}

function skippedLines(file: string | undefined, { skipped }: ReadRows): readonly string[] {
  const total = countProblems(skipped);
  if (total === 0) return [];
  const counts = [...skipped.counts].map(([kind, count]) => `${count} ${kind}`).join(", ");
  return [
    `${file}: ${counted(total, "row")} skipped (${counts}):`,
    ...skipped.first.map((problem) => `  ${formatRowProblem(problem)}`),
  ];
}

const NONE_SKIPPED: ProblemLog = createProblemLog();

/** Returns the rows that are kept, with labels in the form of a batch. `names` are the labels of several a row. */
export function labelledRows(
  tokens: PackedTokens,
  kept: Uint32Array,
  labels: RowLabels,
  names: LabelMeaning["names"],
): PackedRows {
  switch (labels.problemType) {
    case "single_label_classification":
      return selectRows(tokens, kept, labels.ids);
    case "regression":
      return selectRows(tokens, kept, labels.values);
    case "multi_label_classification": {
      const width = names?.length ?? 0;
      return selectRows(tokens, kept, indicatorsOf(labels, width), width);
    }
    default:
      return labels satisfies never;
  }
}

/** Returns [rows, width] of 1 for each label that a row has, and 0 for the others. */
function indicatorsOf(
  { ids, ends }: RowLabels & { readonly problemType: "multi_label_classification" },
  width: number,
): Uint8Array {
  const indicators = new Uint8Array(ends.length * width);
  let at = 0;
  ends.forEach((end, row) => {
    for (; at < end; at++) indicators[row * width + (ids[at] as number)] = 1;
  });
  return indicators;
}
