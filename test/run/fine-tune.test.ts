/** Whole runs as a page makes them: files in memory, kernels in this thread, no worker. */
import { expect, test } from "vitest";
import { generateDemoTask } from "../../src/experiment/demo-task.ts";
import type { RunDescription } from "../../src/experiment/plan.ts";
import { findRecipe, type Recipe } from "../../src/experiment/recipes.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { createThreadedBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import {
  type FineTuneRunOptions,
  fineTuneRun,
  outputProblems,
  type RunPlatform,
} from "../../src/run/fine-tune.ts";
import { trainSeed } from "../../src/run/seed.ts";
import { type MemoryStorage, memoryStorage, textOf } from "./memory-storage.ts";

const task = generateDemoTask({ trainCount: 40, devCount: 20 });
const tokenizer = createTokenizer(task.vocabulary);

/** A recipe of the demo, cut down to few steps: 5 an epoch. */
function shortRecipe(name: string): Recipe {
  const { sparse, ...recipe } = findRecipe(name);
  const phase = { epochs: 2, batchSize: 8 };
  return {
    ...recipe,
    dense: { ...recipe.dense, ...phase },
    sparse: sparse && { ...sparse, ...phase, cooldownEpochs: 0, pruningFrequency: 2 },
  };
}

const PLAN: RunDescription = {
  recipes: ["demo-4x1", "demo-2in4"].map(shortRecipe),
  config: parseModelConfigOrThrow({
    model_type: "bert",
    vocab_size: tokenizer.vocabulary.tokens.length,
    hidden_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 16,
    max_position_embeddings: 32,
  }),
  tokenizer,
  trainingRows: task.train,
  evaluationRows: task.dev,
};

const OPTIONS: FineTuneRunOptions = {
  plan: PLAN,
  seeds: [1],
  directory: "run",
  title: "Title",
  summary: "Summary.",
  measure: false,
};

function platformOf(storage: MemoryStorage): RunPlatform {
  return {
    storage,
    startBackend: (options) =>
      createThreadedBackend({
        ...options,
        variant: "scalar",
        startThread: () => Promise.reject(new Error("expected no thread")),
      }),
  };
}

/** What does not depend on times: metrics, models and snapshots. */
function substance({ files }: MemoryStorage): ReadonlyMap<string, Uint8Array> {
  const timed = /timings\.json|report\.html/;
  return new Map([...files].filter(([path]) => !timed.test(path)).sort());
}

async function run(
  changes: Partial<FineTuneRunOptions> = {},
  storage: MemoryStorage = memoryStorage(),
) {
  const done = await fineTuneRun({ ...OPTIONS, ...changes }, platformOf(storage));
  return { ...done, storage };
}

const whole = run();

test("a run needs nothing but a storage and kernels", async () => {
  const { outcome, report, reportPath, storage } = await whole;
  expect(outcome.completed).toBe(true);
  expect(report.table.rows.map(({ pattern }) => pattern)).toEqual(["4x1", "2:4"]);
  expect(report.patterns.every(({ mask }) => mask !== undefined)).toBe(true);
  expect(reportPath).toBe("run/report.html");
  expect(textOf(storage, "run/report.html")).toContain("Title");
  expect(textOf(storage, "run/metrics.jsonl").trim().split("\n")).toHaveLength(6);
  expect([...storage.files.keys()].sort()).toEqual(
    [
      ...["dense", "sparse-2in4", "sparse-4x1"].flatMap((model) =>
        [
          "config.json",
          "model.safetensors",
          "special_tokens_map.json",
          "tokenizer_config.json",
          "vocab.txt",
        ].map((file) => `run/${model}/${file}`),
      ),
      "run/metrics.jsonl",
      "run/report.html",
      "run/snapshots/seed-1.safetensors",
      "run/timings.json",
    ].sort(),
  );
});

test("final models are measured for the report, which changes nothing else", async () => {
  const { report, storage } = await run({ measure: true });
  expect(substance(storage)).toEqual(substance((await whole).storage));
  expect(report.models.map(({ label }) => label)).toEqual(["dense", "4x1", "2:4"]);
  const [dense, ...sparse] = report.models;
  const fileBytes = (path: string) => storage.files.get(path)?.length;
  expect(dense?.bytes).toEqual({ plain: fileBytes("run/dense/model.safetensors"), packed: null });
  for (const { bytes } of sparse) {
    expect(bytes?.plain).toBe(fileBytes("run/sparse-4x1/model.safetensors"));
    expect(bytes?.packed).toBeGreaterThan(0);
  }
  for (const { rowsPerSecond } of report.models) expect(rowsPerSecond).toBeGreaterThan(0);
  const final = report.patterns[0]?.final;
  const texts = task.dev.map(({ text }) => text);
  const correct = final?.results?.confusion?.map((counts, i) => counts[i] ?? 0) ?? [];
  const wrong = task.dev.length - correct.reduce((sum, count) => sum + count, 0);
  expect(final?.errors).toHaveLength(wrong);
  for (const { text, dense: beside } of final?.errors ?? []) {
    expect(texts).toContain(text);
    expect(beside).toMatch(/^LABEL_[01]$/);
  }
  const { report: silent } = await run({ measure: true, reportErrors: 0 });
  expect(silent.patterns[0]?.final?.errors).toBeUndefined();
});

test("recipes with one pattern have a directory and a label each", async () => {
  const recipes = ["Half a", "most"].map((name) => ({ ...shortRecipe("demo-4x1"), name }));
  const { outcome, report, storage } = await run({
    plan: { ...PLAN, recipes, metrics: ["accuracy"] },
  });
  expect(outcome.completed).toBe(true);
  const labels = ["4x1 (Half a)", "4x1 (most)"];
  expect(report.patterns.map(({ label }) => label)).toEqual(labels);
  expect(report.table.rows.map(({ label }) => label)).toEqual(labels);
  expect(report.patterns.map(({ pattern }) => pattern)).toEqual(["4x1", "4x1"]);
  expect(report.evaluations?.rows.map(([label]) => label)).toEqual(["dense", ...labels]);
  expect(report.notices).toBeUndefined();
  for (const folder of ["dense", "sparse-4x1-Half-a", "sparse-4x1-most"])
    expect(storage.files.has(`run/${folder}/model.safetensors`)).toBe(true);
  const alike = ["a b", "A-b"].map((name) => ({ ...shortRecipe("demo-4x1"), name }));
  const empty = memoryStorage();
  await expect(run({ plan: { ...PLAN, recipes: alike } }, empty)).rejects.toThrow(
    "recipes: expected names that make different directories, got a b and A-b",
  );
  expect(empty.files.size).toBe(0);
});

test("several seeds run one after another, each in its directory", async () => {
  const { outcome, storage } = await run({ seeds: [2, 1] });
  expect(outcome.seeds.map(({ seed }) => seed)).toEqual([2, 1]);
  const model = "sparse-4x1/model.safetensors";
  expect(storage.files.get(`run/seed-1/${model}`)).toEqual(
    (await whole).storage.files.get(`run/${model}`),
  );
});

test("on workers the seeds give the same bytes", async () => {
  const seeds = [1, 2, 3];
  const { storage: expected } = await run({ seeds });
  const storage = memoryStorage();
  const platform = platformOf(storage);
  const worker: RunPlatform["worker"] = async (task, { post, signal }) => {
    const posted = async (message: Parameters<typeof post>[0]) => post(structuredClone(message));
    return structuredClone(
      await trainSeed(platform, structuredClone(task), { post: posted, signal }),
    );
  };
  await fineTuneRun({ ...OPTIONS, seeds, threads: 2 }, { ...platform, worker });
  expect(substance(storage)).toEqual(substance(expected));
});

test("interrupted and resumed, a run ends as if it had not been, also from a former folder", async () => {
  for (const folder of ["snapshots", "checkpoints"]) {
    const controller = new AbortController();
    let steps = 0;
    const onStep = () => {
      if (++steps === 13) controller.abort();
    };
    const stopped = await run({ signal: controller.signal, listener: { onStep } });
    expect(stopped.outcome.completed).toBe(false);
    expect(stopped.report.notices).toEqual(["Interrupted: this is the state so far."]);
    const { storage } = stopped;
    const path = "run/snapshots/seed-1.safetensors";
    const snapshot = storage.files.get(path);
    if (snapshot === undefined) throw new Error("expected a snapshot");
    storage.files.delete(path);
    storage.files.set(path.replace("snapshots", folder), snapshot);
    const resumed = await run({ resume: true }, storage);
    expect(resumed.outcome.completed).toBe(true);
    storage.files.delete("run/checkpoints/seed-1.safetensors");
    expect(substance(storage)).toEqual(substance((await whole).storage));
  }
});

test("an interruption before the first step writes nothing", async () => {
  const { outcome, reportPath, storage } = await run({ signal: AbortSignal.abort() });
  expect(outcome).toMatchObject({ completed: false, seeds: [] });
  expect(reportPath).toBeNull();
  expect(storage.files.size).toBe(0);
});

test("a directory that cannot be written to fails the run before it trains", async () => {
  let steps = 0;
  const onStep = () => void steps++;
  const full = memoryStorage(() => {
    throw new Error("read-only");
  });
  await expect(run({ listener: { onStep } }, full)).rejects.toThrow("read-only");
  expect(steps).toBe(0);
});

test("a run that ends before its first snapshot does not bar its directory", async () => {
  const storage = memoryStorage((path) => {
    if (path.includes("snapshots")) throw new Error("killed");
  });
  await expect(run({}, storage)).rejects.toThrow("killed");
  expect([...storage.files.keys()]).toEqual(["run/timings.json"]);
  expect(await outputProblems(storage, "run", [1], false)).toEqual([]);
});

test("wherever a write fails, the run fails, and a resume ends with the same bytes", async () => {
  const expected = substance((await whole).storage);
  let tried = 0;
  for (let failing = 0; ; failing += 3) {
    let [writes, failed] = [0, false];
    const storage = memoryStorage(() => {
      failed = writes++ === failing;
      if (failed) throw new Error("no space left");
    });
    try {
      await run({}, storage);
      break;
    } catch (error) {
      expect(String(error)).toContain("no space left");
    }
    tried++;
    const again = memoryStorage();
    for (const [path, bytes] of storage.files) again.files.set(path, bytes);
    await run({ resume: true }, again);
    expect(substance(again)).toEqual(expected);
  }
  expect(tried).toBeGreaterThan(8);
});

test("a directory that holds a run, or none to continue, is a problem", async () => {
  const { storage } = await whole;
  const problemsOf = (directory: string, resume: boolean, seeds: readonly number[] = [1]) =>
    outputProblems(storage, directory, seeds, resume);
  expect(await problemsOf("other", false)).toEqual([]);
  expect(await problemsOf("run", true)).toEqual([]);
  const out = { path: "`out`" };
  expect(await problemsOf("run", false)).toMatchObject([
    { ...out, got: "run, which has snapshots" },
  ]);
  expect(await problemsOf("run", false, [9])).toMatchObject([
    { ...out, got: "run, which has metrics.jsonl" },
  ]);
  expect(await problemsOf("other", true)).toMatchObject([
    { expected: "the snapshots of a run to continue", got: "other, which has none" },
  ]);
  expect(await problemsOf("run/metrics.jsonl", false)).toMatchObject([
    { expected: "a directory", got: "run/metrics.jsonl (is a file)" },
  ]);
});

test("a resumed run of some seeds keeps the others", async () => {
  const { storage: both } = await run({ seeds: [2, 1] });
  const before = substance(both);
  const { outcome, report } = await run({ seeds: [1], resume: true }, both);
  expect(substance(both)).toEqual(before);
  expect(outcome.seeds.map(({ seed }) => seed)).toEqual([2, 1]);
  expect(report.table.rows[0]?.sparse).toHaveLength(2);
  expect(report.patterns[0]?.curves.map(({ seed }) => seed)).toEqual([2, 1]);
  // An added seed gives the same bytes as in a run with all seeds, and the files of the first seed do not move.
  const { storage } = await run();
  const alone = substance(storage);
  const more = await run({ seeds: [2], resume: true }, storage);
  for (const [path, bytes] of alone)
    if (!path.endsWith("metrics.jsonl")) expect(substance(storage).get(path)).toEqual(bytes);
  const model = "sparse-4x1/model.safetensors";
  expect(storage.files.get(`run/seed-2/${model}`)).toEqual(both.files.get(`run/seed-2/${model}`));
  const [first] = more.outcome.seeds.flatMap(({ phases }) => phases);
  expect(first && more.outcome.modelDirectory(first)).toBe("run/dense");
  expect(textOf(storage, "run/metrics.jsonl").trim().split("\n")).toHaveLength(12);
});

test("seeds with other settings than those that are kept are refused by name", async () => {
  const { storage } = await run({ seeds: [1, 2] });
  const recipes = PLAN.recipes.map((recipe) => ({
    ...recipe,
    dense: { ...recipe.dense, learningRate: 1 },
  }));
  await expect(
    run({ seeds: [3], resume: true, plan: { ...PLAN, recipes } }, storage),
  ).rejects.toThrow(/^seed 1\.phases\[0\]\.settings\.optimizer\.learningRate: expected 1, got/);
  await expect(run({ seeds: [1, 1] })).rejects.toThrow("seeds: expected each seed once, got 1");
});

test("a path that a run will need is checked before it trains", async () => {
  const storage = memoryStorage();
  await storage.write("run/sparse-4x1", "a file");
  await storage.write("run/report.html/index", "a directory");
  let steps = 0;
  const onStep = () => void steps++;
  await expect(run({ listener: { onStep } }, storage)).rejects.toThrow(
    /run\/report.html: expected a file, or nothing, got a directory\nrun\/sparse-4x1: expected a directory/,
  );
  expect(steps).toBe(0);
});

test("a run locks its directory, and unlocks it however it ends", async () => {
  const held: string[] = [];
  let locks = 0;
  const storage = {
    ...memoryStorage((path) => {
      if (path.includes("snapshots") && locks === 2) throw new Error("full");
    }),
    lock: async (directory: string) => {
      locks++;
      held.push(directory);
      return () => void held.pop();
    },
  };
  await fineTuneRun(OPTIONS, platformOf(storage));
  await expect(fineTuneRun(OPTIONS, platformOf(storage))).rejects.toThrow("full");
  expect([locks, held.length]).toEqual([2, 0]);
});
