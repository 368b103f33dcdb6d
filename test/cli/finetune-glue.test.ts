/** `finetune` on the tasks of GLUE, from small files with the official headers. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { GLUE_TASKS, type GlueFormat, type GlueTask } from "../../src/io/glue-tasks.ts";
import { espalier, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

beforeAll(async () => {
  await writeModel(path("model"));
});

const TEXTS = ["the old tree", "a tall wall", "not flat", "green vine"];

/** Writes a row of a task's file; label `row` modulo the number of labels. */
function fieldsOf(
  { text, textPair, label, names, writesNames = false }: GlueFormat,
  columns: readonly string[],
  row: number,
): string {
  const id = row % (names?.length ?? 5);
  const written = names === null ? `${id}.200` : writesNames ? (names[id] ?? "") : String(id);
  const fields = columns.map((column) => {
    if (column === text || column === textPair)
      return `${TEXTS[(row + columns.indexOf(column)) % 4]} "${id}`;
    return column === label ? written : "x";
  });
  return fields.join("\t");
}

function writeFiles(task: GlueTask): string {
  const format: GlueFormat = GLUE_TASKS[task];
  const { columns, evaluationColumns = columns, hasHeader, evaluations } = format;
  const write = (name: string, names: readonly string[], rows: number): void => {
    const lines = Array.from({ length: rows }, (_, row) => fieldsOf(format, names, row));
    const all = hasHeader ? [names.join("\t"), ...lines] : lines;
    writeFileSync(path(task, `${name}.tsv`), `${all.join("\n")}\n`);
  };
  mkdirSync(path(task));
  write("train", columns, 12);
  for (const name of evaluations) write(name, evaluationColumns, 6);
  return path(task);
}

/** The metrics that each task has in metrics.jsonl, beside those that are null. */
const METRICS: Readonly<Record<GlueTask, readonly string[]>> = {
  cola: ["accuracy", "f1", "matthews"],
  mnli: ["accuracy"],
  mrpc: ["accuracy", "f1"],
  qnli: ["accuracy", "f1"],
  qqp: ["accuracy", "f1"],
  rte: ["accuracy", "f1"],
  sst2: ["accuracy", "f1"],
  stsb: ["pearson", "spearman"],
  wnli: ["accuracy", "f1"],
};

test.each(Object.entries(METRICS) as [GlueTask, readonly string[]][])(
  "%s",
  async (task, metrics) => {
    const out = path(`${task}-run`);
    const options = {
      ...{ task, data: writeFiles(task), model: path("model"), out },
      ...{ "do-prune": "false", "num-train-epochs": "1", "max-seq-length": "32" },
    };
    const run = await espalier([
      "finetune",
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]),
    ]);
    expect(run).toMatchObject({ code: 0 });
    const line: Record<string, unknown> = JSON.parse(
      readFileSync(join(out, "metrics.jsonl"), "utf8"),
    );
    const all = ["accuracy", "f1", "macro_f1", "micro_f1", "matthews", "pearson", "spearman"];
    expect(all.filter((name) => typeof line[name] === "number")).toEqual(metrics);
    const { names } = GLUE_TASKS[task] as GlueFormat;
    const config: Record<string, unknown> = JSON.parse(
      readFileSync(join(out, "dense", "config.json"), "utf8"),
    );
    expect(config.id2label).toEqual(
      Object.fromEntries((names ?? ["LABEL_0"]).map((name, id) => [String(id), name])),
    );
    expect(config.espalier_rows).toBeUndefined();
    expect(run.out.includes("dev_mismatched (6)")).toBe(task === "mnli");
  },
  30_000,
);
