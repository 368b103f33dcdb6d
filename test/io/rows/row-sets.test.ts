import { describe, expect, test } from "vitest";
import { type Either, isLeft } from "../../../src/core/either.ts";
import { optionProblems, type RowOptions, splitProblem } from "../../../src/io/rows/options.ts";
import { formatRowProblem, type ProblemLog } from "../../../src/io/rows/problems.ts";
import { createRowReader } from "../../../src/io/rows/row-reader.ts";
import { endTraining, endUnlabelled, endValidation } from "../../../src/io/rows/row-sets.ts";

function fileOf(text: string, options: RowOptions = {}) {
  const reader = createRowReader({ name: "a.csv", options, needsLabels: true });
  reader.push(new TextEncoder().encode(text));
  reader.end();
  return reader.file();
}

function problemOf<T>(result: Either<ProblemLog, T>) {
  return isLeft(result) ? result.left.first[0] : undefined;
}

const train = (text: string, options: RowOptions = {}) =>
  endTraining(fileOf(text, options), options);

describe("a training file", () => {
  test("with rows whose labels turn out to be bad at the end", () => {
    const text = "text,label\na,1\nb,NaN\nc\nd,2\n";
    expect(problemOf(train(text))).toMatchObject({ kind: "label", line: 3, column: "label" });
    const skipped = train(text, { skipBadRows: true });
    if (isLeft(skipped)) throw new Error("expected rows");
    const { kept, labels, rows } = skipped.right;
    expect([rows, [...kept]]).toEqual([3, [0, 2]]);
    expect(labels).toEqual({
      problemType: "single_label_classification",
      ids: Int32Array.of(0, -1, 1),
    });
    expect([...skipped.right.skipped.counts]).toEqual([
      ["fields", 1],
      ["label", 1],
    ]);
  });

  test("with one label, or none", () => {
    expect(problemOf(train("text,label\na,x\nb,x\n"))).toMatchObject({
      kind: "labels",
      line: null,
      column: "label",
      got: "x",
    });
    expect(problemOf(train("text,label\na,\n", { labelSeparator: "|" }))).toMatchObject({
      kind: "labels",
      got: "none",
    });
    expect(isLeft(train("text,label\na,1\nb,1\n", { problemType: "regression" }))).toBe(false);
  });

  test("that ends early is not judged by its labels", () => {
    const result = train('text,label\na,1\nb,NA\n"c');
    expect(isLeft(result) && [...result.left.counts]).toEqual([["quote", 1]]);
  });

  test("with several label columns is not for regression", () => {
    const options = { labelColumn: ["x,y"], problemType: "regression" } as const;
    expect(problemOf(train("text,x,y\na,1,0\n", options))?.kind).toBe("options");
  });

  test("with bad labels only", () => {
    const options = { problemType: "regression", skipBadRows: true } as const;
    expect(problemOf(train("text,label\na,x\n", options))?.kind).toBe("empty");
  });
});

test("a validation file has the training file's labels", () => {
  const training = train("text,label\na,x\nb,y\n");
  if (isLeft(training)) throw new Error("expected rows");
  const { meaning } = training.right;
  const result = endValidation(fileOf("text,label\na,y\nb,z\n"), meaning, {});
  expect(problemOf(result)).toMatchObject({ line: 3, expected: "x or y", got: '"z"' });
  expect(problemOf(endValidation(fileOf('text,label\n"'), meaning, {}))?.kind).toBe("quote");
});

test("a file without labels keeps all its rows", () => {
  const result = endUnlabelled(fileOf("text,label\na,y\nb,z\n"));
  expect(isLeft(result) || [...result.right.kept]).toEqual([0, 1]);
  expect(problemOf(endUnlabelled(fileOf("")))?.kind).toBe("empty");
});

test("options that contradict each other", () => {
  const got = (options: RowOptions) => optionProblems(options).map((problem) => problem.got);
  expect(got({ textColumn: "a", textPairColumn: " a" })).toEqual(["a twice"]);
  expect(optionProblems({ labelSeparator: "||" }).map(formatRowProblem)).toEqual([
    '`labelSeparator`: expected one character, got "||"',
  ]);
  expect(got({ labelSeparator: "||" })).toEqual(['"||"']);
  expect(got({ labelSeparator: "|", problemType: "regression" })).toEqual(["regression"]);
  expect(got({ labelSeparator: "😀", problemType: "multi_label_classification" })).toEqual([]);
  expect(splitProblem(0.1, true)?.got).toBe("both");
  for (const share of [0, 1, Number.NaN]) expect(splitProblem(share, false)?.kind).toBe("options");
  expect(splitProblem(0.1, false)).toBeUndefined();
});
