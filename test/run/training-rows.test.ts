import { expect, test } from "vitest";
import { formatProblem, isLeft } from "../../src/core/either.ts";
import { createTokenizer, encode } from "../../src/io/tokenizer.ts";
import {
  type RowFilesRequest,
  readTrainingRows,
  rowFileProblems,
  validationTexts,
} from "../../src/run/training-rows.ts";
import { unpackRows } from "../../src/train/packed-rows.ts";
import { VOCABULARY } from "../cli/fixtures.ts";
import { memoryStorage } from "./memory-storage.ts";

const storage = memoryStorage();
const tokenizer = { tokenizer: createTokenizer(VOCABULARY), maxLength: 32 };

async function read(
  files: Readonly<Record<string, string>>,
  request: Partial<RowFilesRequest> = {},
) {
  for (const [name, text] of Object.entries(files)) await storage.write(name, text);
  return readTrainingRows(
    storage,
    { trainFile: "train.csv", splitSeed: 42, ...request },
    tokenizer,
  );
}

async function rowsOf(
  files: Readonly<Record<string, string>>,
  request: Partial<RowFilesRequest> = {},
) {
  const rows = await read(files, request);
  if (isLeft(rows)) throw new Error(rows.left.map(formatProblem).join("; "));
  return rows.right;
}

async function problemsOf(
  files: Readonly<Record<string, string>>,
  request: Partial<RowFilesRequest> = {},
) {
  const rows = await read(files, request);
  return isLeft(rows) ? rows.left.map(formatProblem) : [];
}

function csv(labels: readonly string[]): string {
  return `text,label\n${labels.map((label, i) => `${i % 2 === 0 ? "the tree" : "a wall"},${label}\n`).join("")}`;
}

test("labels by name get ids by code point, and the validation file has the training file's", async () => {
  const rows = await rowsOf(
    { "train.csv": csv(["vine", "tree", "Wall", "tree"]), "validation.csv": csv(["tree", "Wall"]) },
    { validationFile: "validation.csv" },
  );
  expect(rows.meaning.names).toEqual(["Wall", "tree", "vine"]);
  expect([...rows.training.rows.labels]).toEqual([2, 1, 0, 1]);
  expect([...rows.validation.rows.labels]).toEqual([1, 0]);
  expect(rows.split).toBeNull();
  const [first] = unpackRows(rows.training.rows);
  expect(Array.from(first?.inputIds ?? [])).toEqual([
    ...encode(tokenizer.tokenizer, "the tree").inputIds,
  ]);
});

test("without a validation file, a tenth of each label is drawn by the seed", async () => {
  const files = {
    "train.csv": csv(Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? "a" : "b"))),
  };
  const rows = await rowsOf(files);
  expect(rows.split).toBe(0.1);
  const labels = [...rows.validation.rows.labels];
  expect(labels.filter((label) => label === 0)).toHaveLength(2);
  expect(labels.filter((label) => label === 1)).toHaveLength(4);
  expect(rows.training.rows).toHaveLength(54);
  expect(await rowsOf(files)).toEqual(rows);
  const half = await rowsOf(files, { validationSplit: 0.5 });
  expect(half.validation.rows).toHaveLength(30);
});

test("labels with fractions are values", async () => {
  const rows = await rowsOf(
    { "train.csv": csv(["0.5", "1", "2.25", "3", "4"]) },
    { validationSplit: 0.2 },
  );
  expect(rows.meaning).toEqual({ problemType: "regression", numeric: true, names: null });
  expect([...rows.training.rows.labels, ...rows.validation.rows.labels].sort()).toEqual([
    0.5, 1, 2.25, 3, 4,
  ]);
});

test("bad rows are refused by file and line, or skipped and counted", async () => {
  const files = { "train.csv": csv(["a", "b", "", "a"]), "validation.csv": csv(["a", "c"]) };
  expect(await problemsOf(files)).toEqual([
    'train.csv:4, column "label": expected a label, got an empty field',
  ]);
  const skipping = { skipBadRows: true, validationFile: "validation.csv" };
  const rows = await rowsOf(files, skipping);
  expect(rows.training.rows).toHaveLength(3);
  expect(rows.validation.rows).toHaveLength(1);
  expect(rows.training.skipped.first.map(({ line }) => line)).toEqual([4]);
  expect(rows.validation.skipped.first.map(({ line, got }) => [line, got])).toEqual([[3, '"c"']]);
  const unknown = await problemsOf(
    { ...files, "train.csv": csv(["a", "b"]) },
    { validationFile: "validation.csv" },
  );
  expect(unknown).toEqual(['validation.csv:3, column "label": expected a or b, got "c"']);
});

test("rows that cannot be divided are refused", async () => {
  expect(await problemsOf({ "train.csv": csv(["a", "b", "c"]) })).toEqual([
    "train.csv: expected two or more rows of a label, or `validationFile`, got one row of each label",
  ]);
});

test("missing files and contradictory options are problems before anything is read", async () => {
  const request = {
    trainFile: "none.csv",
    validationFile: "nothing.csv",
    validationSplit: 0.2,
    labelSeparator: "||",
    splitSeed: 1,
  };
  expect((await rowFileProblems(storage, request)).map(formatProblem)).toEqual([
    "`trainFile`: expected a file, got none.csv (does not exist)",
    "`validationFile`: expected a file, got nothing.csv (does not exist)",
    "`validationSplit`: expected no `validationFile` beside it, got both",
    '`labelSeparator`: expected one character, got "||"',
  ]);
});

test("a share of no rows or of all rows is a problem", async () => {
  await storage.write("share.csv", "text,label\nred,a\nblue,b\n");
  const request = { trainFile: "share.csv", splitSeed: 1 };
  const problems = await rowFileProblems(storage, { ...request, validationSplit: 0 });
  expect(problems.map(formatProblem)).toEqual([
    "`validationSplit`: expected a share of validation rows between 0 and 1, got 0",
  ]);
});

test("a column of almost as many labels as rows is refused, unless the problem type is given", async () => {
  const columns = (count: number, labels: number): string =>
    `text,id,kind,label\n${Array.from({ length: count }, (_, i) => `a wall,${i},oak,id ${i % labels}\n`).join("")}`;
  expect(await problemsOf({ "train.csv": columns(41, 21) })).toEqual([
    'train.csv, column "label": expected at most half as many labels as rows; `labelColumn` names another column, and `problemType` single_label_classification accepts this one, got 21 labels ("id 0", "id 1", "id 10", ...) in 41 rows; other columns: text, id, kind',
  ]);
  const given = { problemType: "single_label_classification" } as const;
  expect(await problemsOf({ "train.csv": columns(41, 21) }, given)).toEqual([]);
  expect(await problemsOf({ "train.csv": columns(42, 21) })).toEqual([]);
  expect(await problemsOf({ "train.csv": columns(22, 20) })).toEqual([]);
});

test("texts of validation rows are read again, or unknown if their file changed", async () => {
  const request = { trainFile: "train.csv", validationFile: "validation.csv", splitSeed: 42 };
  const files = { "train.csv": csv(["tree", "vine"]), "validation.csv": csv(["tree", "vine"]) };
  const texts = validationTexts(storage, request, await rowsOf(files, request));
  expect([...(await texts([1]))].map(([row, { text }]) => [row, text])).toEqual([[1, "a wall"]]);
  await storage.write("validation.csv", csv(["tree"]));
  expect(await texts([1])).toEqual(new Map());
});
