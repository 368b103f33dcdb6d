import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import Papa from "papaparse";
import { beforeAll, describe, expect, test } from "vitest";
import { GLUE_TASKS } from "../../src/io/glue-tasks.ts";
import { espalier, type Ran, temporaryDirectory, writeModel, writeTask } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

const NAMES = ["green", "tall, old", "bare"];
const WORDS = ["tree", "wall", "vine", "the", "a", "grows", "slowly", "old", "not", "green"];
const TEXTS = Array.from({ length: 60 }, (_, i) =>
  Array.from({ length: 1 + ((i * 7) % 11) }, (_, k) => WORDS[(i * 3 + k * k) % WORDS.length]).join(
    " ",
  ),
);

/** The label of row i: not what a model says, but each label occurs. */
const labelOf = (i: number): string => NAMES[((i * i) % 7) % 3] ?? "";
const LABELS = TEXTS.map((_, i) => labelOf(i));
const SETS = TEXTS.map((_, i) => NAMES.filter((_, k) => (i >> k) % 2 === 1));
const VALUES = TEXTS.map((_, i) => (i % 9) / 2);

beforeAll(async () => {
  const id2label = Object.fromEntries(NAMES.map((name, i) => [i, name]));
  await writeModel(path("single"), { id2label });
  await writeModel(path("unnamed"), { num_labels: 3 });
  await writeModel(path("binary"), { id2label: { 0: "no", 1: "yes" } });
  await writeModel(path("multi"), { id2label, problem_type: "multi_label_classification" });
  await writeModel(path("regression"), { num_labels: 1 });
  await writeModel(path("values"), { num_labels: 2, problem_type: "regression" });
  writeTask(path("task"));
  const json = (rows: readonly object[]): string =>
    `${rows.map((each) => JSON.stringify(each)).join("\n")}\n`;
  const rows = (labels: readonly unknown[]) =>
    json(TEXTS.map((text, i) => ({ text, label: labels[i] })));
  writeFileSync(path("single.jsonl"), rows(LABELS));
  writeFileSync(
    path("single.csv.gz"),
    gzipSync(Papa.unparse(TEXTS.map((text, i) => ({ text, label: LABELS[i] })))),
  );
  writeFileSync(path("ids.jsonl"), rows(LABELS.map((label) => NAMES.indexOf(label))));
  writeFileSync(path("multi.jsonl"), rows(SETS));
  writeFileSync(
    path("indicators.csv"),
    Papa.unparse(
      TEXTS.map((text, i) => ({
        text,
        ...Object.fromEntries(
          NAMES.map((name) => [name, SETS[i]?.includes(name) === true ? 1 : 0]),
        ),
      })),
    ),
  );
  writeFileSync(
    path("separated.csv"),
    Papa.unparse(TEXTS.map((text, i) => ({ text, label: SETS[i]?.join("; ") }))),
  );
  writeFileSync(path("values.jsonl"), rows(VALUES));
});

interface Result {
  readonly problemType: string;
  readonly rows: number;
  readonly skipped: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
  readonly classes: readonly {
    label: string;
    precision: number;
    recall: number;
    f1: number;
    rows: number;
  }[];
  readonly confusion: { readonly labels: readonly string[]; readonly counts: readonly number[][] };
  readonly rowsPerSecond: number;
}

function evaluate(model: string, data: string, ...more: string[]): Promise<Ran> {
  return espalier(["evaluate", path(model), "--data", path(data), ...more]);
}

async function result(model: string, data: string, ...more: string[]): Promise<Result> {
  const { code, out, err } = await evaluate(model, data, "--json", ...more);
  expect(code).toBe(0);
  expect(err).toMatch(
    more.includes("--task") ? /^$/ : /^columns: text "\w+"( and "\w+")?, label "[^\n]+"\n$/,
  );
  expect(out.trimEnd()).not.toContain("\n");
  return JSON.parse(out);
}

let count = 0;

/** The labels or values that `predict` gives. */
async function predicted(model: string, data: string): Promise<readonly unknown[]> {
  const out = path(`predicted-${count++}.jsonl`);
  expect((await espalier(["predict", path(model), "--data", path(data), "--out", out])).code).toBe(
    0,
  );
  const lines = readFileSync(out, "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const { label, labels, value } = JSON.parse(line);
    return label ?? labels ?? value;
  });
}

describe("espalier evaluate", () => {
  test("counts what predict says about each row", async () => {
    const found = await result("single", "single.jsonl");
    const predictions = await predicted("single", "single.jsonl");
    const hits = LABELS.filter((label, i) => label === predictions[i]).length;
    expect(found).toMatchObject({
      problemType: "single_label_classification",
      rows: 60,
      skipped: {},
    });
    expect(Object.keys(found.metrics)).toEqual(["accuracy", "macro_f1", "matthews"]);
    expect(found.metrics.accuracy).toBe(hits / 60);
    const { labels, counts } = found.confusion;
    labels.forEach((label, i) => {
      labels.forEach((prediction, k) => {
        const count = LABELS.filter(
          (each, row) => each === label && predictions[row] === prediction,
        );
        expect(counts[i]?.[k]).toBe(count.length);
      });
    });
    for (const { label, rows } of found.classes)
      expect(rows).toBe(LABELS.filter((each) => each === label).length);
    expect(found.rowsPerSecond).toBeGreaterThan(0);
  });

  test("gives the same for CSV, for ids and for a model without names", async () => {
    const { metrics, confusion } = await result("single", "single.jsonl");
    expect(await result("single", "single.csv.gz")).toMatchObject({ metrics, confusion });
    const ids = await result("unnamed", "ids.jsonl");
    expect(ids).toMatchObject({ metrics, confusion: { counts: confusion.counts } });
    expect(ids.confusion.labels[0]).toMatch(/^LABEL_/);
  });

  test("reads several labels a row in three forms", async () => {
    const list = await result("multi", "multi.jsonl", "--threshold", "0.45");
    const predictions = (await predicted("multi", "multi.jsonl")) as readonly string[][];
    const exact = SETS.filter((set, i) => set.join() === predictions[i]?.join()).length;
    const half = await result("multi", "multi.jsonl");
    expect(Object.keys(half.metrics)).toEqual(["micro_f1", "macro_f1", "accuracy"]);
    expect(half.metrics.accuracy).toBe(exact / 60);
    expect(half.classes.map(({ label, rows }) => [label, rows])).toEqual(
      NAMES.map((name) => [name, SETS.filter((set) => set.includes(name)).length]),
    );
    const columns = ["green", "bare", "tall, old"].flatMap((name) => ["--label-column", name]);
    const threshold = ["--threshold", "0.45"];
    const { metrics, classes } = list;
    expect(await result("multi", "indicators.csv", ...columns, ...threshold)).toMatchObject({
      metrics,
      classes,
    });
    expect(
      await result("multi", "separated.csv", "--label-separator", ";", ...threshold),
    ).toMatchObject({ metrics, classes });
  });

  test("computes the metrics of regression", async () => {
    const { metrics, ...others } = await result("regression", "values.jsonl");
    const values = (await predicted("regression", "values.jsonl")) as readonly number[];
    const squares = VALUES.map((value, i) => (value - (values[i] ?? NaN)) ** 2);
    expect(metrics.mean_squared_error).toBeCloseTo(squares.reduce((a, b) => a + b) / 60, 6);
    expect(Object.keys(metrics)).toEqual(["pearson", "spearman", "mean_squared_error"]);
    expect(others).not.toHaveProperty("classes");
  });

  test("prints tables", async () => {
    const { code, out } = await evaluate("single", "single.jsonl");
    expect(code).toBe(0);
    expect(out).toMatch(/^accuracy +0\.\d{4}$/m);
    expect(out).toMatch(/^macro F1 +0\.\d{4}$/m);
    expect(out).toMatch(/^label +precision +recall +F1 +rows$/m);
    expect(out).toMatch(/^tall, old +0\.\d{4} +0\.\d{4} +0\.\d{4} +\d+$/m);
    expect(out).toMatch(/^label +green +tall, old +bare$/m);
    expect(out).toMatch(/^60 rows in \d+\.\d s, \d+\.\d a second$/m);
  });

  test("exits with 1 below a bound, and names the metric", async () => {
    const { metrics } = await result("single", "single.jsonl");
    const accuracy = metrics.accuracy ?? NaN;
    const min = (text: string) => ["--min", text];
    const reached = await evaluate(
      "single",
      "single.jsonl",
      ...min(`accuracy=${accuracy},macro-f1=0`),
    );
    const columns = 'columns: text "text", label "label"\n';
    expect(reached).toMatchObject({ code: 0, err: columns });
    const missed = await evaluate(
      "single",
      "single.jsonl",
      ...min("accuracy=1"),
      ...min("matthews=-1"),
      "--json",
    );
    expect(missed.code).toBe(1);
    expect(missed.err).toBe(
      `${columns}accuracy: expected at least 1, got ${accuracy.toFixed(4)}\n`,
    );
    expect(JSON.parse(missed.out).bounds).toEqual([
      { metric: "accuracy", least: 1, reached: false },
      { metric: "matthews", least: -1, reached: true },
    ]);
  });

  test("evaluates a task's directory, and a file in its form", async () => {
    const directory = await result("binary", "task", "--task", "mrpc");
    expect(directory.rows).toBe(12);
    expect(Object.keys(directory.metrics)).toEqual(["accuracy", "f1", "macro_f1", "matthews"]);
    const file = await result("binary", "task/dev.tsv", "--task", "mrpc");
    expect(file.metrics).toEqual(directory.metrics);
  });

  test("takes the F1 of the task's class 1 if the model has another order", async () => {
    const id2label = { 0: "equivalent", 1: "not_equivalent" };
    await writeModel(path("reversed"), { id2label });
    const { metrics, classes } = await result("reversed", "task", "--task", "mrpc");
    const [first, second] = classes.map(({ f1 }) => f1);
    expect(metrics.f1).toBe(first);
    expect(metrics.f1).not.toBe(second);
  });

  test("refuses a model with only some of the task's labels", async () => {
    await writeModel(path("partly"), { id2label: { 0: "equivalent", 1: "other" } });
    const { code, err } = await evaluate("partly", "task", "--task", "mrpc");
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringContaining("with labels equivalent,other, got mrpc"),
    });
  });

  test("evaluates both files of MNLI, and finds labels by name if their order differs", async () => {
    const names = ["contradiction", "neutral", "entailment"];
    const ofModel = names.map((name, i) => [i, name.toUpperCase()] as const);
    await writeModel(path("nli"), { id2label: Object.fromEntries(ofModel) });
    mkdirSync(path("MNLI"));
    const header = GLUE_TASKS.mnli.evaluationColumns ?? [];
    const line = (i: number): string =>
      header
        .map((column) => {
          if (column === "sentence1") return TEXTS[i];
          return column === "gold_label" ? names[i % 3] : "a";
        })
        .join("\t");
    const lines = (from: number, to: number) => TEXTS.slice(from, to).map((_, i) => line(from + i));
    const write = (name: string, rows: readonly string[]) =>
      writeFileSync(path("MNLI", name), `${[header.join("\t"), ...rows].join("\n")}\n`);
    write("dev_matched.tsv", lines(0, 20));
    write("dev_mismatched.tsv", lines(20, 60));
    const { code, out, err } = await evaluate("nli", "MNLI", "--task", "mnli", "--json");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const { further, ...matched } = JSON.parse(out);
    expect(matched).toMatchObject({ data: path("MNLI", "dev_matched.tsv"), rows: 20 });
    expect(further).toMatchObject([{ data: path("MNLI", "dev_mismatched.tsv"), rows: 40 }]);
    const rows = TEXTS.slice(0, 20).map((sentence1, i) => {
      return JSON.stringify({ sentence1, sentence2: "a", label: names[i % 3]?.toUpperCase() });
    });
    writeFileSync(path("nli.jsonl"), rows.join("\n"));
    expect((await result("nli", "nli.jsonl")).confusion).toEqual(matched.confusion);
    const text = await evaluate("nli", "MNLI", "--task", "mnli", "--min", "accuracy=1");
    expect(text.code).toBe(1);
    expect(text.out).toContain(`${path("MNLI", "dev_mismatched.tsv")}\n\nmetric`);
    expect(text.err).toMatch(/dev_matched\.tsv: accuracy: expected at least 1, got 0\.\d{4}\n/);
  });

  test("reads the columns of the model's training file by default", async () => {
    const id2label = Object.fromEntries(NAMES.map((name, i) => [i, name]));
    const stored = { text_column: "body", text_pair_column: null, label_column: "kind" };
    await writeModel(path("stored"), { id2label, espalier_rows: stored });
    const rows = TEXTS.map((body, i) => ({ id: i, kind: LABELS[i], body }));
    writeFileSync(path("stored.csv"), Papa.unparse(rows));
    const { metrics } = await result("single", "single.jsonl");
    expect((await result("stored", "stored.csv")).metrics).toEqual(metrics);
    expect(await predicted("stored", "stored.csv")).toEqual(
      await predicted("single", "single.jsonl"),
    );
    const other = await evaluate("stored", "single.csv.gz");
    expect(other.err).toMatch(
      /:1, column "kind": expected a column kind, got text, label; --label-column names another/,
    );
    const given = ["--text-column", "text", "--label-column", "label"];
    expect((await result("stored", "single.csv.gz", ...given)).metrics).toEqual(metrics);
  });

  test("passes over rows with unknown labels if asked to", async () => {
    writeFileSync(
      path("unknown.jsonl"),
      `${readFileSync(path("single.jsonl"), "utf8")}{"text":"a","label":"red"}\n`,
    );
    const { metrics } = await result("single", "single.jsonl");
    const { code, out, err } = await evaluate(
      "single",
      "unknown.jsonl",
      "--skip-bad-rows",
      "--json",
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ rows: 60, skipped: { label: 1 }, metrics });
    expect(err).toContain(
      `${path("unknown.jsonl")}:61, column "label": expected green or tall, old or bare, got "red"`,
    );
  });
});

describe("wrong input is refused before work", () => {
  beforeAll(() => {
    writeFileSync(path("red.csv"), "text,label\na,green\nb,red\nc,bare\n");
    writeFileSync(path("unlabelled.csv"), "text\na\n");
    writeFileSync(path("none.csv"), "text,label\n");
    writeFileSync(path("latin.csv"), Uint8Array.of(0x74, 0x0a, 0xe9, 0x0a));
    writeFileSync(path("word.csv"), "text,label\na,1.5\nb,high\n");
  });

  test.each<[string, string, readonly string[], RegExp]>([
    [
      "single",
      "red.csv",
      [],
      /^.*red\.csv:3, column "label": expected green or tall, old or bare, got "red"\n$/,
    ],
    [
      "single",
      "unlabelled.csv",
      [],
      /^.*unlabelled\.csv:1, column "label": expected a column label, got text; --label-column names another\n$/,
    ],
    ["single", "none.csv", [], /^.*none\.csv: expected rows, got none\n$/],
    ["single", "latin.csv", [], /^.*latin\.csv:2: expected UTF-8 text, got the byte E9\n$/],
    [
      "single",
      "missing.csv",
      [],
      /^--data: expected a file, got .*missing\.csv \(does not exist\)\n$/,
    ],
    ["single", "task/dev.txt", [], /^--data: expected a file, /],
    [
      "regression",
      "word.csv",
      [],
      /^.*word\.csv:3, column "label": expected a number, got "high"\n$/,
    ],
    [
      "values",
      "values.jsonl",
      [],
      /^MODEL: expected a model of one value a row, got one of 2 values\n$/,
    ],
    [
      "single",
      "multi.jsonl",
      [],
      /^.*multi\.jsonl:1, column "label": expected one label, got a list\n/,
    ],
    [
      "single",
      "single.jsonl",
      ["--min", "f1=0.5"],
      /^--min: expected one of the metrics accuracy, macro_f1, matthews, got f1\n$/,
    ],
    [
      "single",
      "single.jsonl",
      ["--min", "accuracy"],
      /^--min: expected METRIC=VALUE, or several with commas, got "accuracy"\n$/,
    ],
    ["single", "single.jsonl", ["--min", "accuracy=high"], /^--min: expected METRIC=VALUE/],
    [
      "single",
      "single.jsonl",
      ["--min", "accuracy=85"],
      /^--min: expected a value of accuracy from 0 to 1, got 85\n$/,
    ],
    [
      "regression",
      "values.jsonl",
      ["--min", "mean_squared_error=1"],
      /^--min: expected one of the metrics pearson, spearman, got mean_squared_error\n$/,
    ],
    [
      "multi",
      "indicators.csv",
      ["--label-column", "green,bare"],
      /^--label-column: expected the labels of the model: green,tall, old,bare, got green,bare\n$/,
    ],
    [
      "single",
      "indicators.csv",
      ["--label-column", "green,bare"],
      /^--label-column: expected one column, as the model's problem type is single_label_classification, got green,bare\n$/,
    ],
    [
      "single",
      "task",
      ["--task", "mrpc"],
      /^--task: expected a task for the model, whose problem type is single_label_classification with labels green,tall, old,bare, got mrpc\n$/,
    ],
    [
      "binary",
      "task",
      ["--task", "mrpc", "--text-column", "a"],
      /^--text-column: expected no --task beside it, got both\n$/,
    ],
    ["binary", "task", [], /^--data: expected a file, got .*task \(is a directory\)\n$/],
  ])("%s on %s %j", async (model, data, more, message) => {
    const before = readdirSync(root);
    const { code, out, err } = await evaluate(model, data, ...more);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
    expect(readdirSync(root)).toEqual(before);
  });
});
