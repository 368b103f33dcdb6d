/** Evaluations of classifiers in memory, beside the command. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { evaluateClassifier as evaluatePath } from "../../src/node/classifier.ts";
import { loadClassifier } from "../../src/run/classifier.ts";
import { evaluateClassifier } from "../../src/run/classifier-evaluation.ts";
import type { Classifier } from "../../src/run/created-classifier.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";
import { csvFile, glueFile, labelledRows, modelFiles } from "./classifier-files.ts";

const root = temporaryDirectory();
const NAMES = ["apple", "brick", "grape", "oak"];
const rows = labelledRows(200);
const file = csvFile("rows.csv", rows);
let classifier: Classifier;

beforeAll(async () => {
  const id2label = Object.fromEntries(NAMES.map((name, id) => [id, name]));
  const files = await modelFiles({ id2label });
  mkdirSync(join(root, "model"));
  for (const { name, bytes } of files) writeFileSync(join(root, "model", name), bytes);
  writeFileSync(join(root, file.name), file.bytes);
  classifier = await loadClassifier(files, { variant: "scalar" });
});

test("the document is that of the command, for a file, a list and a path", async () => {
  const argv = [join(root, "model"), "--data", join(root, file.name), "--variant", "scalar"];
  const { out } = await espalier(["evaluate", ...argv, "--layers", "dense", "--json"]);
  const { rows: count, skipped, metrics, classes, confusion } = JSON.parse(out);
  const expected = { rows: count, skipped, metrics, classes, confusion };
  expect(count).toBe(200);
  expect(await evaluateClassifier(classifier, file)).toEqual(expected);
  expect(await evaluateClassifier(classifier, rows)).toEqual(expected);
  const compressed = { name: "rows.csv.gz", bytes: gzipSync(file.bytes) };
  expect(await evaluateClassifier(classifier, compressed)).toEqual(expected);
  const cut = { ...compressed, bytes: new Blob([compressed.bytes.subarray(0, 99)]) };
  await expect(evaluateClassifier(classifier, cut)).rejects.toThrow(
    /^rows\/rows\.csv\.gz: expected whole gzip data, got /,
  );
  expect(await evaluatePath(classifier, join(root, file.name))).toEqual(expected);
  await expect(evaluatePath(classifier, join(root, "none.csv"))).rejects.toThrow(
    "`rows`: expected",
  );
});

test("a file of a task has its own form", async () => {
  const dev = glueFile("dev.tsv", rows);
  writeFileSync(join(root, dev.name), dev.bytes);
  const files = await modelFiles({ id2label: { 0: "negative", 1: "positive" } });
  const binary = await loadClassifier(files, { variant: "scalar" });
  mkdirSync(join(root, "binary"));
  for (const { name, bytes } of files) writeFileSync(join(root, "binary", name), bytes);
  const argv = [join(root, "binary"), "--data", join(root, dev.name), "--variant", "scalar"];
  const layers = ["--layers", "dense", "--task", "sst2", "--json"];
  const { out } = await espalier(["evaluate", ...argv, ...layers]);
  const { rows: count, skipped, metrics, classes, confusion } = JSON.parse(out);
  const expected = { rows: count, skipped, metrics, classes, confusion };
  expect(count).toBe(200);
  expect(await evaluateClassifier(binary, dev, { task: "sst2" })).toEqual(expected);
  expect(await evaluatePath(binary, join(root, dev.name), { task: "sst2" })).toEqual(expected);
  await expect(evaluateClassifier(classifier, dev, { task: "sst2" })).rejects.toThrow(
    "`task`: expected a task for the model, whose problem type is single_label_classification",
  );
  const beside = { task: "sst2", textColumn: "a" } as const;
  await expect(evaluateClassifier(binary, dev, beside)).rejects.toThrow(
    "`textColumn`: expected no `task` beside it",
  );
  binary.dispose();
});

test("a label that the model does not have is named by its row", async () => {
  const wrong = [...rows.slice(0, 4), { text: "a", label: "pear" }];
  await expect(evaluateClassifier(classifier, wrong)).rejects.toThrow(/^rows\[4\], column "label"/);
  const bad = csvFile("bad.csv", wrong);
  await expect(evaluateClassifier(classifier, bad)).rejects.toThrow(/bad\.csv:6, column "label"/);
  const { rows: kept, skipped } = await evaluateClassifier(classifier, bad, { skipBadRows: true });
  expect({ kept, skipped }).toEqual({ kept: 4, skipped: { label: 1 } });
});

test("an abort rejects with the signal's reason", async () => {
  const reason = new Error("stopped");
  const signal = AbortSignal.abort(reason);
  await expect(evaluateClassifier(classifier, rows, { signal })).rejects.toBe(reason);
});

test("wrong arguments are named", async () => {
  await expect(evaluateClassifier({} as never, rows)).rejects.toThrow("classifier: expected");
  const options = { textColum: "a", labelSeparator: "" } as never;
  await expect(evaluateClassifier(classifier, file, options)).rejects.toThrow(
    /options\.textColum: expected a known key; the nearest is textColumn.*\n`labelSeparator`/,
  );
  await expect(evaluateClassifier(classifier, rows, { textColumn: "a" })).rejects.toThrow(
    "`textColumn`: expected a file as `rows`, got a list",
  );
  const { rows: count } = await evaluateClassifier(classifier, rows, { task: undefined });
  expect(count).toBe(rows.length);
  const mixed = [
    { text: "a", label: "oak" },
    { text: "a", textPair: "b", label: "oak" },
  ];
  await expect(evaluateClassifier(classifier, mixed)).rejects.toThrow("rows[1].textPair");
});
