import { expect, test } from "vitest";
import { namingRows } from "../../src/cli/changed-rows.ts";
import { InputError } from "../../src/core/either.ts";

function problem(path: string) {
  return { path, expected: '"8 rows of digest 1"', got: '"8 rows of digest 2" in the snapshot' };
}

const CHANGED = new InputError([
  problem("run.trainingRows"),
  problem("seed 3.evaluationRows"),
  problem("run.finalRows.test"),
  problem("run.model"),
]);

test("changed rows are named by their files", () => {
  const files = { trainFile: "a.csv", validationFile: "b.csv", testFile: "c.csv" };
  expect(String(namingRows(CHANGED, files))).toBe(
    [
      "InputError: a.csv: expected the training rows with which the run began, got other rows",
      "b.csv: expected the validation rows with which the run began, got other rows",
      "c.csv: expected the test rows with which the run began, got other rows",
      'run.model: expected "8 rows of digest 1", got "8 rows of digest 2" in the snapshot',
    ].join("\n"),
  );
});

test("drawn validation rows are those of the training file, and a task's are in its directory", () => {
  expect(String(namingRows(CHANGED, { trainFile: "a.csv" }))).toContain(
    "\na.csv: expected the validation rows with",
  );
  expect(String(namingRows(CHANGED, { data: "MRPC" }))).toContain("MRPC: expected the training");
});

test("other errors stay as they are", () => {
  const error = new RangeError("trainingRows");
  expect(namingRows(error, { trainFile: "a.csv" })).toBe(error);
});
