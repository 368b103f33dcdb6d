/** Replays the vectors of row files: small files, and the rows or the error that must come out of them. */
import { isLeft } from "../core/either.ts";
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { PROBLEM_TYPES } from "../io/rows/labels.ts";
import { optionProblems, type RowOptions, splitProblem } from "../io/rows/options.ts";
import { formatRowProblem, type RowProblem } from "../io/rows/problems.ts";
import { createRowReader, type RowReader, type TextRow } from "../io/rows/row-reader.ts";
import {
  endTraining,
  endUnlabelled,
  endValidation,
  type LabelledRowSet,
  type RowSet,
} from "../io/rows/row-sets.ts";
import { splitRows } from "../io/rows/split.ts";
import { addText, createTextIndex, hasText } from "../io/rows/text-index.ts";
import { at, type CaseData, type CaseFiles, expectedError, parsed } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import { judge, type Verdict } from "./verdict.ts";

export function replayRowFiles(files: CaseFiles): Verdict {
  return judge("rows", files.name, () => {
    const json = parsed("case.json", parseJson("case.json", files.json));
    if (!isJsonObject(json)) throw expectedError("", "an object", json);
    const result = readFiles(files.data ?? new Map(), json);
    if ("problems" in result) return errorDifference(json, result.problems);
    if ("expected" in json) return rowsDifference(at.object(json, "expected"), result);
    return differenceAt("result", "an error", `${result.training.texts.length} rows`);
  });
}

/** The rows of a file that are kept, with their labels as values. */
interface ReadFile {
  readonly set: RowSet;
  readonly texts: readonly TextRow[];
}

interface ReadFiles {
  readonly training: ReadFile & { readonly set: LabelledRowSet };
  readonly validation: (ReadFile & { readonly set: LabelledRowSet }) | undefined;
  readonly test: ReadFile | undefined;
  readonly split: number | undefined;
}

interface Refused {
  readonly problems: readonly RowProblem[];
}

function readFiles(data: ReadonlyMap<string, CaseData>, json: JsonObject): ReadFiles | Refused {
  const { split, ...options } = optionsOf(at.object(json, "options"));
  const fileOf = (part: string) =>
    [...data].find(([name]) => name.startsWith(`${part}.`)) ?? undefined;
  const file = fileOf("train");
  if (file === undefined) throw expectedError("files", "a training file", undefined);
  const validationFile = fileOf("validation");
  const problems = [...optionProblems(options)];
  const ofSplit =
    split === undefined ? undefined : splitProblem(split, validationFile !== undefined);
  if (ofSplit !== undefined) problems.push(ofSplit);
  if (problems.length > 0) return { problems };
  const reader = createRowReader({ name: file[0], options, needsLabels: true });
  const rows = readAll(reader, file[1]);
  const training = endTraining(reader.file(), options);
  if (isLeft(training)) return { problems: training.left.first };
  const { meaning, columns } = training.right;

  const read = ([name, content]: [string, CaseData], needsLabels: boolean) => {
    const other = createRowReader({ name, options, columns, needsLabels });
    return { texts: readAll(other, content), file: other.file() };
  };
  const second = validationFile && read(validationFile, true);
  const validation = second && endValidation(second.file, meaning, options);
  if (validation !== undefined && isLeft(validation)) return { problems: validation.left.first };
  const testFile = fileOf("test");
  const third = testFile && read(testFile, false);
  const test = third && endUnlabelled(third.file);
  if (test !== undefined && isLeft(test)) return { problems: test.left.first };
  return {
    training: { set: training.right, texts: keptOf(training.right, rows) },
    validation: second &&
      validation && { set: validation.right, texts: keptOf(validation.right, second.texts) },
    test: third && test && { set: test.right, texts: keptOf(test.right, third.texts) },
    split,
  };
}

function readAll(reader: RowReader, data: CaseData): readonly TextRow[] {
  if ("gzipProblem" in data) reader.refuseGzip(data.gzipProblem);
  return [...("bytes" in data ? reader.push(data.bytes) : []), ...reader.end()];
}

function keptOf({ kept }: RowSet, rows: readonly TextRow[]): readonly TextRow[] {
  return Array.from(kept, (row) => rows[row] as TextRow);
}

function optionsOf(json: JsonObject): RowOptions & { readonly split: number | undefined } {
  const text = (key: string) => (key in json ? at.text(json, key) : undefined);
  const given = {
    textColumn: text("text-column"),
    textPairColumn: text("text-pair-column"),
    labelColumn: "label-column" in json ? [json["label-column"] ?? null].flat() : undefined,
    labelSeparator: text("label-separator"),
    problemType: PROBLEM_TYPES.find((type) => type === json["problem-type"]),
  };
  const options = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as RowOptions;
  return {
    ...options,
    skipBadRows: json["skip-bad-rows"] === true,
    split: "validation-split" in json ? at.number(json, "validation-split") : undefined,
  };
}

function errorDifference(
  json: JsonObject,
  problems: readonly RowProblem[],
): Difference | undefined {
  const [first] = problems;
  if (first === undefined) throw new Error("expected a problem");
  if (!("error" in json)) return differenceAt("result", "rows", formatRowProblem(first));
  const error = at.object(json, "error");
  const file = error.file ?? at.texts(json, "files").find((name) => name.startsWith("train."));
  return (
    compare("error kind", at.text(error, "kind"), first.kind) ??
    compare("error line", scalar(error.line), first.line) ??
    compare("error column", scalar(error.column), first.column) ??
    (first.kind === "options" ? undefined : compare("error file", scalar(file), first.file)) ??
    (error.lines === undefined
      ? undefined
      : compare(
          "error lines",
          at.numbers(error, "lines"),
          problems.map(({ line }) => line ?? 0),
        ))
  );
}

function rowsDifference(expected: JsonObject, files: ReadFiles): Difference | undefined {
  const { training, validation, test, split } = files;
  const { meaning, columns } = training.set;
  return (
    compareJson("rows", expected.rows, rowsAsJson(training)) ??
    compareJson("columns", expected.columns, { ...columns }) ??
    compareJson("problem_type", expected.problem_type, meaning.problemType) ??
    compareJson("label_names", expected.label_names, meaning.names) ??
    (validation &&
      compareJson("validation_rows", expected.validation_rows, rowsAsJson(validation))) ??
    (test && compareJson("test_rows", expected.test_rows, rowsAsJson(test))) ??
    skippedDifference(expected, files) ??
    ("overlap" in expected ? overlapDifference(expected, files) : undefined) ??
    (split === undefined ? undefined : splitDifference(expected, training.set, split))
  );
}

function skippedDifference(expected: JsonObject, files: ReadFiles): Difference | undefined {
  if (!("skipped" in expected)) return undefined;
  const sets = [files.training, files.validation, files.test];
  const skipped = sets.flatMap((file) => file?.set.skipped.first ?? []);
  const file = expected.skipped_file;
  return (
    compareJson("skipped", expected.skipped, skipped.length) ??
    ("skipped_lines" in expected
      ? compareJson(
          "skipped_lines",
          expected.skipped_lines,
          skipped.map(({ line }) => line),
        )
      : undefined) ??
    (file === undefined ? undefined : compareJson("skipped_file", file, skipped[0]?.file ?? null))
  );
}

function overlapDifference(expected: JsonObject, files: ReadFiles): Difference | undefined {
  const index = createTextIndex();
  for (const row of files.training.texts) addText(index, row);
  const shared = files.validation?.texts.filter((row) => hasText(index, row)).length ?? 0;
  return compareJson("overlap", expected.overlap, shared);
}

/** Compares how many rows of each label are drawn. Which ones, depends on the seed. */
function splitDifference(
  expected: JsonObject,
  { labels, kept, meaning }: LabelledRowSet,
  share: number,
): Difference | undefined {
  const { training, validation } = splitRows(kept, labels, share, 42);
  const counts = (rows: Uint32Array): JsonValue => {
    if (labels.problemType !== "single_label_classification") return rows.length;
    const count: Record<string, number> = {};
    for (const row of rows) {
      const name = meaning.names?.[labels.ids[row] as number] ?? "";
      count[name] = (count[name] ?? 0) + 1;
    }
    return count;
  };
  const got = { train: counts(training), validation: counts(validation) };
  return compareJson("split", expected.split, got);
}

/** Returns [text, text pair or null, label] for each kept row. */
function rowsAsJson({ set, texts }: ReadFile): JsonValue {
  const labelOf = "labels" in set ? labelReader(set as LabelledRowSet) : () => null;
  return texts.map(({ text, textPair }, index) => [
    text,
    textPair,
    labelOf(set.kept[index] as number),
  ]);
}

function labelReader({ labels, meaning }: LabelledRowSet): (row: number) => JsonValue {
  const nameOf = (id: number): string => meaning.names?.[id] ?? "";
  switch (labels.problemType) {
    case "regression":
      return (row) => labels.values[row] as number;
    case "single_label_classification":
      return (row) => {
        const name = nameOf(labels.ids[row] as number);
        return meaning.numeric ? Number(name) : name;
      };
    case "multi_label_classification":
      return (row) => {
        const begin = row === 0 ? 0 : (labels.ends[row - 1] as number);
        return Array.from(labels.ids.subarray(begin, labels.ends[row]), nameOf);
      };
    default:
      return labels satisfies never;
  }
}

function compareJson(
  where: string,
  expected: JsonValue | undefined,
  got: JsonValue,
): Difference | undefined {
  if (Array.isArray(expected) && Array.isArray(got))
    return (
      compare(`${where} length`, expected.length, got.length) ??
      firstOf(expected.keys(), (index) =>
        compareJson(`${where}[${index}]`, expected[index], got[index] ?? null),
      )
    );
  if (isJsonObject(expected) && isJsonObject(got))
    return firstOf(new Set([...Object.keys(expected), ...Object.keys(got)]), (key) =>
      compareJson(`${where}.${key}`, expected[key], got[key] ?? null),
    );
  return compare(where, scalar(expected), scalar(got));
}

function scalar(value: JsonValue | undefined): string | number | boolean | null {
  if (value === undefined) return "nothing";
  return typeof value === "object" && value !== null ? JSON.stringify(value) : value;
}
