/** Requests read, planned and run as a page does: every file in memory. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { formatProblem, isLeft } from "../../src/core/either.ts";
import type { FinetuningRequest } from "../../src/experiment/finetuning-request.ts";
import { missingSources } from "../../src/experiment/recipe-choice.ts";
import { prepareFinetuning } from "../../src/run/finetuning.ts";
import { resolveRun } from "../../src/run/plan.ts";
import { unpackRows } from "../../src/train/packed-rows.ts";
import { CONFIG, mrpcText, temporaryDirectory, VOCABULARY, writeModel } from "../cli/fixtures.ts";
import { memoryStorage } from "./memory-storage.ts";
import { saveSmallModel } from "./small-model.ts";
import { countingStorage, LARGE, MISFITS, saveLargeModel } from "./unread-weights.ts";

const storage = memoryStorage();

/** Saves the small model with other settings. */
async function saveModel(directory: string, changes: object = {}): Promise<void> {
  await saveSmallModel(storage, directory, { ...CONFIG, ...changes });
}

beforeAll(async () => {
  await saveModel("model");
  await storage.write("data/train.tsv", mrpcText(32));
  await storage.write("data/dev.tsv", mrpcText(12));
  await storage.write("pruning.yaml", "- pattern: '2:4'\n  op_names: [query, key]\n");
});

const REQUEST: FinetuningRequest = {
  task: "mrpc",
  data: "data",
  model: "model",
  maxSeqLength: 32,
  numTrainEpochs: 7,
};

async function problemsOf(changes: Partial<FinetuningRequest>): Promise<readonly string[]> {
  const prepared = await prepareFinetuning(storage, { ...REQUEST, ...changes });
  return isLeft(prepared) ? prepared.left.map(formatProblem) : [];
}

test("a request becomes the description of a run", async () => {
  const prepared = await prepareFinetuning(storage, { ...REQUEST, teacherCacheBudget: 2 });
  if (isLeft(prepared)) throw new Error(String(prepared.left.map(formatProblem)));
  const { description, notices } = prepared.right;
  expect(notices).toEqual([]);
  expect(description.recipes.map(({ name, sparse }) => [name, sparse?.epochs])).toEqual([
    ["bertmini-mrpc-4x1", 7],
  ]);
  expect(description.config.hiddenSize).toBe(CONFIG.hidden_size);
  expect(description.trainingRows).toHaveLength(32);
  expect(description.evaluationRows).toHaveLength(12);
  expect(description.teacherBudget).toBe(2 * 2 ** 20);
});

test("defaults are filled in once, and rows cut to the recipe's length", async () => {
  const prepared = await prepareFinetuning(storage, { ...REQUEST, maxSeqLength: 5 });
  if (isLeft(prepared)) throw new Error(String(prepared.left.map(formatProblem)));
  const plan = resolveRun(prepared.right.description);
  const { profile, sparseProducts, variant } = plan;
  expect({ profile, sparseProducts, variant }).toEqual({
    profile: "inc",
    sparseProducts: "auto",
    variant: "auto",
  });
  const rows = unpackRows(plan.trainingRows);
  expect(rows.every(({ inputIds }) => inputIds.length === 5)).toBe(true);
});

test("a configuration file takes the schedule of the recipe, and states the pattern", async () => {
  const request = { ...REQUEST, pruningConfig: "pruning.yaml", targetSparsity: 0.5 };
  const prepared = await prepareFinetuning(storage, request);
  if (isLeft(prepared)) throw new Error(String(prepared.left.map(formatProblem)));
  const { recipes, pruningConfig } = prepared.right.description;
  expect(recipes[0]?.sparse?.pattern).toBe("2:4");
  expect(pruningConfig).toEqual({
    target_sparsity: 0.5,
    start_step: 2,
    end_step: 4,
    pruning_frequency: 50,
    pruning_configs: [{ pattern: "2:4", op_names: ["query", "key"] }],
  });
});

test("problems come all at once, and name options by their keys in backticks", async () => {
  expect(missingSources({}).map(({ path }) => path)).toEqual(["`task`", "`data`", "`model`"]);
  expect(await problemsOf({ model: undefined, recipe: "none" })).toEqual([
    expect.stringContaining("`model`: expected a model directory"),
    expect.stringContaining("`recipe`: expected one of bertmini-mrpc-dense"),
  ]);
  expect(await problemsOf({ model: "other", vocab: "other.txt", trainFile: "other.tsv" })).toEqual([
    "`trainFile`: expected a file, got other.tsv (does not exist)",
    "`model`: expected a directory, got other (does not exist)",
    "`vocab`: expected a file, got other.txt (does not exist)",
  ]);
  expect(await problemsOf({ maxSeqLength: 64, teacherModelNameOrPath: "model" })).toEqual([
    "`maxSeqLength`: expected at most the model's 32 positions, got 64",
    "`teacherModelNameOrPath`: expected a model of at least 64 positions, got 32",
  ]);
  expect(await problemsOf({ pruningConfig: "pruning.yaml", pruningType: "magnitude" })).toEqual([
    "`pruningType`: expected no `pruningConfig` beside it, got both",
  ]);
});

test("embeddings may have rows without tokens, in the student and in the teacher", async () => {
  await saveModel("padded", { vocab_size: 24 });
  const padded = { model: "padded", teacherModelNameOrPath: "model" };
  expect(await problemsOf(padded)).toEqual([]);
  expect(await problemsOf({ ...padded, vocab: "model/vocab.txt" })).toEqual([]);
  expect(await problemsOf({ teacherModelNameOrPath: "padded" })).toEqual([]);
  expect(await problemsOf({ model: undefined, vocab: "model/vocab.txt" })).toEqual([]);
  await saveModel("larger", { vocab_size: 24 });
  await storage.write("larger/vocab.txt", `${VOCABULARY}more\n`);
  expect(await problemsOf({ teacherModelNameOrPath: "larger" })).toEqual([
    'larger/vocab.txt:22: expected the model\'s own token none, got "more"',
  ]);
});

test("pairs need a model and a teacher of two token types", async () => {
  await saveModel("single", { type_vocab_size: 1 });
  const problem =
    "expected a model of at least 2 token types for pairs of texts, got type_vocab_size 1 in single/config.json";
  expect(await problemsOf({ model: "single" })).toEqual([`\`model\`: ${problem}`]);
  expect(await problemsOf({ teacherModelNameOrPath: "single" })).toEqual([
    `\`teacherModelNameOrPath\`: ${problem}`,
  ]);
  await storage.write("rows.tsv", "sentence\tlabel\ntree\t1\nwall\t0\n");
  const rows = { trainFile: "rows.tsv", validationFile: "rows.tsv", doPrune: false } as const;
  expect(await problemsOf({ ...rows, task: "sst2", data: undefined, model: "single" })).toEqual([]);
});

test("pruning that cannot be carried out is a problem, of the file if one is given", async () => {
  const expected = "pattern: expected one that divides a selected layer, got 5x7";
  expect(await problemsOf({ pruningPattern: "5x7" })).toEqual([
    expect.stringMatching(`^${expected}`),
  ]);
  await storage.write("indivisible.yaml", "pattern: 5x7\n");
  expect(await problemsOf({ pruningConfig: "indivisible.yaml" })).toEqual([
    expect.stringMatching(`^indivisible.yaml: ${expected}`),
  ]);
  await storage.write("wrong.yaml", "pattern: 4x1\ntarget_sparsity: 2\nend_step: x\n");
  expect(await problemsOf({ pruningConfig: "wrong.yaml" })).toEqual([
    expect.stringMatching("^wrong.yaml: target_sparsity: expected"),
    expect.stringMatching("^wrong.yaml: end_step: expected"),
  ]);
});

describe("before the values of tensors are read", () => {
  const root = temporaryDirectory();
  const path = (...parts: string[]): string => join(root, ...parts);
  const rows = "text,label\nthe tree,1\na wall,0\nthe old tree,1\na tall wall,0\n";

  beforeAll(async () => {
    await writeModel(path("student"));
    writeFileSync(path("rows.csv"), rows);
    writeFileSync(path("broken.csv"), `${rows}the vine\n`);
  });

  /** The problems of a request for rows on disk, and how many tensors were read. */
  async function refusal(changes: Partial<FinetuningRequest>) {
    const counting = countingStorage();
    const request = { trainFile: path("rows.csv"), validationSplit: 0.5, ...changes };
    const prepared = await prepareFinetuning(counting.storage, request);
    const problems = isLeft(prepared) ? prepared.left.map(formatProblem) : [];
    return { problem: problems.join("\n"), reads: counting.reads() };
  }

  test.each(Object.entries(MISFITS))("a model %s is refused", async (name, { save, problem }) => {
    const model = save(path(name.replaceAll(" ", "-")));
    const expected = expect.stringContaining(`${model}/${problem}`);
    expect(await refusal({ model })).toEqual({ problem: expected, reads: 0 });
    // The rows are not read either.
    const trainFile = path("broken.csv");
    expect(await refusal({ model, trainFile })).toEqual({ problem: expected, reads: 0 });
    const teacher = { model: path("student"), teacherModelNameOrPath: model };
    expect(await refusal(teacher)).toEqual({ problem: expected, reads: 0 });
  });

  test("rows and settings that do not fit are refused", async () => {
    const model = saveLargeModel(path("model"));
    const config = { ...LARGE, hidden_size: 8, max_position_embeddings: 2 ** 25 };
    const teacherModelNameOrPath = saveLargeModel(path("teacher"), undefined, { config });
    const cases: readonly (readonly [Partial<FinetuningRequest>, string])[] = [
      [{ trainFile: path("broken.csv") }, "broken.csv"],
      [{ pruningPattern: "3:7" }, "3:7"],
      [{ saveBest: "pearson" }, "`saveBest`"],
      [{ teacherModelNameOrPath }, "expected a model of hidden size 16, got 8"],
    ];
    for (const [changes, problem] of cases)
      expect(await refusal({ model, ...changes })).toEqual({
        problem: expect.stringContaining(problem),
        reads: 0,
      });
  });

  test("a head for other labels may have any shape", async () => {
    const model = await writeModel(path("head"));
    const config = JSON.stringify({ ...CONFIG, id2label: { 0: "a", 1: "b", 2: "c" } });
    writeFileSync(join(model, "config.json"), config);
    const { problem, reads } = await refusal({ model });
    expect(problem).toBe("");
    expect(reads).toBe(23);
  });
});
