import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  espalier,
  mrpcText,
  temporaryDirectory,
  VOCABULARY,
  writeModel,
  writeTask,
} from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const out = path("out");
let counter = 0;

beforeAll(async () => {
  await writeModel(path("model"));
  writeTask(path("data"));
});

/** The arguments of a run that would work, changed: undefined leaves an option out. */
function argumentsWith(changes: Readonly<Record<string, string | undefined>>): readonly string[] {
  const given = {
    task: "mrpc",
    data: path("data"),
    model: path("model"),
    out,
    "max-seq-length": "32",
    ...changes,
  };
  return Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
}

/** Expects a refusal that says `message` and leaves nothing behind. */
async function refused(
  changes: Readonly<Record<string, string | undefined>>,
  ...messages: readonly string[]
): Promise<void> {
  const ran = await espalier(["finetune", ...argumentsWith(changes)]);
  expect(ran.code).toBe(2);
  for (const message of messages) expect(ran.err).toContain(message);
  expect(ran.out).toBe("");
  expect(existsSync(out)).toBe(false);
}

/** A copy of the small model's directory with one file replaced. */
async function modelWith(name: string, content: string | Uint8Array): Promise<string> {
  const directory = await writeModel(path(`model-${counter++}`));
  writeFileSync(join(directory, name), content);
  return directory;
}

/** A copy of the task with one file replaced. */
function taskWith(name: string, content: string): string {
  const directory = writeTask(path(`task-${counter++}`));
  writeFileSync(join(directory, name), content);
  return directory;
}

test("what is missing", async () => {
  await refused(
    { task: undefined },
    "--task: expected one of cola, mnli, mrpc, qnli, qqp, rte, sst2, stsb, wnli, or --train-file alone, got nothing",
  );
  await refused({ data: undefined }, "--data: expected a directory");
  await refused({ model: undefined }, "--model: expected a model directory, or --vocab FILE");
  await refused(
    { data: path("none") },
    `--data: expected a directory, got ${path("none")} (does not exist)`,
  );
  await refused({ model: path("none") }, "--model: expected a directory", "does not exist");
  await refused({ "train-file": path("none.tsv") }, "--train-file: expected a file");
  await refused({ "pruning-config": path("none.yaml") }, "--pruning-config: expected a file");
  await refused({ "teacher-model-name-or-path": path("none") }, path("none"), "does not exist");
  const ran = await espalier(["finetune", "--task", "mrpc"]);
  expect(ran.code).toBe(2);
  expect(ran.err.split("\n").map((line) => line.split(":")[0])).toEqual([
    "--out",
    "--data",
    "--model",
    "",
  ]);
});

test("options of the wrong kind or range", async () => {
  await refused(
    { "target-sparsity": "1.5" },
    '--target-sparsity: expected a number at least 0 and below 1, got "1.5"',
  );
  await refused(
    { task: "snli" },
    '--task: expected one of cola, mnli, mrpc, qnli, qqp, rte, sst2, stsb, wnli, got "snli"',
  );
  await refused(
    { "num-train-epochs": "three" },
    '--num-train-epochs: expected an integer at least 1, got "three"',
  );
  await refused({ variant: "gpu" }, "--variant: expected one of");
  await refused({ "sparse-products": "on" }, "--sparse-products: expected one of auto, off");
  await refused({ recipe: "bertmini-mrpc-8x8" }, "recipe: expected one of bertmini-mrpc-dense");
  await refused(
    { recipe: "bertmini-sst2-4x1" },
    "--recipe: expected a recipe for mrpc, got bertmini-sst2-4x1",
  );
  await refused({ seed: "1", seeds: "1,2" }, "--seed: expected no --seeds beside it");
  await refused(
    { "max-seq-length": "33" },
    "--max-seq-length: expected at most the model's 32 positions, got 33",
  );
  await refused(
    { "num-train-epochs": "6" },
    "--num-train-epochs: expected more than 1 warm-up and 5 cool-down",
  );
});

test("options that contradict each other", async () => {
  await refused(
    { "do-prune": "false", "pruning-pattern": "4x1" },
    "--pruning-pattern: expected a run that prunes, got --do-prune false",
  );
  await refused(
    { recipe: "bertmini-mrpc-dense", "target-sparsity": "0.5" },
    "--target-sparsity: expected a run that prunes, got the recipe bertmini-mrpc-dense",
  );
  await refused(
    { model: undefined, vocab: path("model", "vocab.txt"), "dense-num-train-epochs": "0" },
    "--dense-num-train-epochs: expected at least 1 without --model, got 0",
  );
});

test("a vocabulary that does not match the model", async () => {
  const long = await modelWith("vocab.txt", `${VOCABULARY}more\n`);
  await refused(
    { model: long },
    `${join(long, "vocab.txt")}: expected at most the 21 tokens of the model, got 22\n`,
  );
  writeFileSync(path("other.txt"), VOCABULARY.replace("vine", "ivy"));
  await refused(
    { vocab: path("other.txt") },
    'other.txt:10: expected the model\'s own token "vine", got "ivy"',
  );
  writeFileSync(path("long.txt"), `${VOCABULARY}more\n`);
  await refused(
    { vocab: path("long.txt") },
    'long.txt:22: expected the model\'s own token none, got "more"',
  );
  writeFileSync(path("short.txt"), VOCABULARY.replace("not\n", ""));
  await refused(
    { vocab: path("short.txt") },
    'short.txt:21: expected the model\'s own token "not", got none',
  );
  const words = Array.from({ length: 30522 }, (_, i) => `word${i}\n`);
  writeFileSync(path("huge.txt"), VOCABULARY + words.join(""));
  await refused(
    { model: undefined, vocab: path("huge.txt") },
    "huge.txt: expected at most the 30522 tokens of bert-mini, got 30543\n",
  );
  writeFileSync(path("bare.txt"), "tree\n");
  await refused({ vocab: path("bare.txt") }, "the special token [CLS]");
});

test("a pattern that divides no layer, or is none", async () => {
  await refused({ "pruning-pattern": "5x1" }, "5x1");
  await refused({ "pruning-pattern": "3:7" }, "3:7");
  await refused({ "pruning-pattern": "four" }, "pattern: expected");
});

test("pruning configurations with mistakes", async () => {
  const config = path("pruning.yaml");
  writeFileSync(config, "- pattern: 4x1\n  prunning_type: magnitude\n");
  await refused({ "pruning-config": config }, "prunning_type");
  writeFileSync(config, "- pattern: 4x1\n  target_sparsity: 1.5\n");
  await refused({ "pruning-config": config }, "target_sparsity", "1.5");
  writeFileSync(config, "- pattern: 4x1\n op_names: [\n");
  await refused({ "pruning-config": config }, `${config}:2:1: expected JSON or YAML`);
  writeFileSync(config, "4x1");
  await refused(
    { "pruning-config": config },
    "expected a list of configurations or an object of keys",
  );
  await refused(
    { "pruning-config": config, "pruning-pattern": "4x1" },
    "--pruning-pattern: expected no --pruning-config",
  );
});

test("a TSV with a broken row: file, line, what was expected", async () => {
  const lines = mrpcText(8).split("\n");
  const broken = taskWith("train.tsv", lines.with(3, "1\tonly two").join("\n"));
  await refused(
    { data: broken },
    `${join(broken, "train.tsv")}:4: expected 5 tab-separated columns`,
    "got 2",
  );
  const label = taskWith(
    "dev.tsv",
    lines.with(2, (lines[2] ?? "").replace("1\t", "7\t")).join("\n"),
  );
  await refused(
    { data: label },
    `${join(label, "dev.tsv")}:3: expected a Quality from 0 to 1, got "7"`,
  );
  const header = taskWith("dev.tsv", "sentence\tlabel\nfine\t1\n");
  await refused({ data: header }, `${join(header, "dev.tsv")}:1: expected the header`);
});

test("damaged model files", async () => {
  const weights = readFileSync(path("model", "model.safetensors"));
  const truncated = await modelWith("model.safetensors", weights.subarray(0, weights.length - 100));
  await refused({ model: truncated }, join(truncated, "model.safetensors"));
  const empty = await modelWith("model.safetensors", new Uint8Array());
  await refused({ model: empty }, join(empty, "model.safetensors"));
  const config = await modelWith("config.json", '{"model_type": "gpt2"}');
  await refused({ model: config }, "model_type: expected one of bert, distilbert");
  const labels = await writeModel(path("labels"), { num_labels: 3 });
  await refused(
    { model: labels, "dense-num-train-epochs": "0" },
    "expected a head for the labels not_equivalent, equivalent, got 3 labels",
  );
  await refused({ "teacher-model-name-or-path": labels }, "expected 2 labels, got 3");
  const teacher = await writeModel(path("teacher"), { hidden_size: 8 });
  await refused(
    { "teacher-model-name-or-path": teacher },
    "expected a model of hidden size 16, got 8",
  );
  const ivy = await modelWith("vocab.txt", VOCABULARY.replace("vine", "ivy"));
  await refused(
    { "teacher-model-name-or-path": ivy },
    'vocab.txt:10: expected the model\'s own token "vine", got "ivy"',
  );
  const brief = await writeModel(path("brief"), { max_position_embeddings: 16 });
  await refused(
    { "teacher-model-name-or-path": brief },
    "expected a model of at least 32 positions, got 16",
  );
  const missing = await writeModel(path("missing"));
  rmSync(join(missing, "config.json"));
  await refused({ model: missing }, join(missing, "config.json"));
});

test("an output directory that cannot be used", async () => {
  mkdirSync(path("used"));
  writeFileSync(path("used", "metrics.jsonl"), "");
  const used = await espalier(["finetune", ...argumentsWith({ out: path("used") })]);
  expect(used.code).toBe(2);
  expect(used.err).toContain("--out: expected a directory without a run, or --resume");
  const resumed = await espalier(["finetune", ...argumentsWith({ out: path("used") }), "--resume"]);
  expect(resumed.code).toBe(2);
  expect(resumed.err).toContain("--out: expected the snapshots of a run to continue");
  mkdirSync(path("stopped", "checkpoints"), { recursive: true });
  writeFileSync(path("stopped", "checkpoints", "seed-42.safetensors"), "");
  const stopped = await espalier(["finetune", ...argumentsWith({ out: path("stopped") })]);
  expect(stopped.err).toContain("or --resume, got");
  const file = await espalier([
    "finetune",
    ...argumentsWith({ out: path("model", "config.json") }),
  ]);
  expect(file.code).toBe(2);
  expect(file.err).toContain("is a file");
});
