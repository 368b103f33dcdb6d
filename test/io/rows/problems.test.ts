import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addProblem,
  countProblems,
  createProblemLog,
  KEPT_PROBLEMS,
  rowProblems,
} from "../../../src/io/rows/problems.ts";

const problem = (line: number) => ({
  kind: "fields" as const,
  file: "a.csv",
  line,
  column: null,
  expected: "2 fields",
  got: "1",
});

test("the log keeps the first problems by line, and counts all", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { maxLength: 60 }), (lines) => {
      const log = createProblemLog();
      for (const line of lines) addProblem(log, problem(line));
      const sorted = lines.toSorted((a, b) => a - b);
      expect(log.first.map(({ line }) => line)).toEqual(sorted.slice(0, KEPT_PROBLEMS));
      expect(countProblems(log)).toBe(lines.length);
    }),
  );
});

test("problems name file, line and column, and the counts by kind end them", () => {
  const log = createProblemLog();
  for (let line = 2; line < 30; line++) addProblem(log, problem(line));
  addProblem(log, { ...problem(1), kind: "label", column: "label" });
  const problems = rowProblems(log);
  expect(problems[0]).toEqual({ path: 'a.csv:1, column "label"', expected: "2 fields", got: "1" });
  expect(problems.at(-1)?.got).toBe("9 more (28 fields, 1 label)");
  expect(problems.length).toBe(KEPT_PROBLEMS + 1);
});
