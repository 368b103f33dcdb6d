/** Fine-tuning in memory: the same models as the command, and no memory left behind. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../../src/core/either.ts";
import { createThreadedBackend, type ThreadedBackend } from "../../src/kernels/backend.ts";
import { fineTuneClassifier as fineTunePaths } from "../../src/node/classifier.ts";
import {
  type FineTuneClassifierOptions,
  type FineTuningEvent,
  type FineTuningRun,
  fineTuneClassifier,
  trainingRun,
} from "../../src/run/classifier-training.ts";
import type { ClassifierFile } from "../../src/run/given-files.ts";
import { createMemoryStorage } from "../../src/run/memory-storage.ts";
import { placed } from "../../src/run/training-inputs.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";
import { csvFile, glueFile, labelledRows, modelFiles } from "./classifier-files.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const training = csvFile("train.csv", labelledRows(40));
const validation = csvFile("validation.csv", labelledRows(12));
let model: readonly ClassifierFile<Uint8Array>[] = [];

beforeAll(async () => {
  model = await modelFiles();
  mkdirSync(path("model"));
  for (const { name, bytes } of model) writeFileSync(path("model", name), bytes);
  for (const { name, bytes } of [training, validation]) writeFileSync(path(name), bytes);
});

const SETTINGS = {
  variant: "scalar",
  denseNumTrainEpochs: 2,
  numTrainEpochs: 3,
  perDeviceTrainBatchSize: 8,
  denseLearningRate: 0.003,
} as const;
const ARGV = [
  ...["--variant", "scalar", "--dense-num-train-epochs", "2", "--num-train-epochs", "3"],
  ...["--per-device-train-batch-size", "8", "--dense-learning-rate", "0.003"],
];

function given(changes: Partial<FineTuneClassifierOptions> = {}): FineTuneClassifierOptions {
  return { rows: training, validationRows: validation, model, ...SETTINGS, ...changes };
}

/** All events of a run. */
async function eventsOf(run: FineTuningRun): Promise<readonly FineTuningEvent[]> {
  const events: FineTuningEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

function endOf(events: readonly FineTuningEvent[]): FineTuningEvent & { readonly type: "end" } {
  const end = events.at(-1);
  if (end?.type !== "end") throw new Error("expected an end");
  return end;
}

/** The files in a directory of the command. */
function filesIn(directory: string): readonly ClassifierFile<Uint8Array>[] {
  return readdirSync(directory).map((name) => {
    return { name, bytes: new Uint8Array(readFileSync(join(directory, name))) };
  });
}

function byName(
  files: readonly ClassifierFile<Uint8Array>[] = [],
): ReadonlyMap<string, Uint8Array> {
  return new Map(
    [...files].sort((a, b) => (a.name < b.name ? -1 : 1)).map((f) => [f.name, f.bytes]),
  );
}

async function command(out: string, ...argv: readonly string[]): Promise<void> {
  const files = ["--train-file", path("train.csv"), "--validation-file", path("validation.csv")];
  const places = [...files, "--model", path("model"), "--out", path(out)];
  const { code, err } = await espalier(["finetune", ...places, ...ARGV, ...argv]);
  expect({ code, err: code === 0 ? "" : err }).toEqual({ code: 0, err: "" });
}

describe("the models have the bytes of the command's", () => {
  const CASES: readonly (readonly [string, Partial<FineTuneClassifierOptions>, ...string[]])[] = [
    ["defaults of the recipe", {}],
    ["another seed", { seed: 7 }, "--seed", "7"],
    [
      "two patterns",
      { pruningPattern: "4x1,2:4", profile: "inc", classWeights: "balanced" },
      ...["--pruning-pattern", "4x1,2:4", "--profile", "inc", "--class-weights", "balanced"],
    ],
  ];

  test.each(CASES.map(([title, changes, ...argv]) => ({ title, changes, argv })))(
    "$title",
    async ({ title, changes, argv }) => {
      const out = title.replaceAll(" ", "-");
      await command(out, ...argv);
      const run = fineTuneClassifier(given(changes));
      const events = await eventsOf(run);
      const { completed, models } = endOf(events);
      expect(completed).toBe(true);
      expect(Object.keys(models).length).toBe(changes.pruningPattern === undefined ? 2 : 3);
      for (const [name, files] of Object.entries(models))
        expect(byName(files)).toEqual(byName(filesIn(path(out, name))));
      const steps = events.flatMap((event) => (event.type === "step" ? [event] : []));
      for (const { phase, targetSparsity } of steps)
        expect(targetSparsity === null).toBe(phase.phase === "dense");
      const lines = events.flatMap((event) => (event.type === "epoch" ? [event.metrics] : []));
      const { sparsity_pruned_layers: share } = lines.at(-1) ?? {};
      expect(steps.at(-1)?.reachedSparsity).toBeCloseTo(share ?? -1, 10);
      const written = readFileSync(path(out, "metrics.jsonl"), "utf8");
      expect(lines.map((line) => `${JSON.stringify(line)}\n`).join("")).toBe(written);
      const own = byName(run.snapshot() ?? []);
      const { bytes } = filesIn(path(out, "snapshots"))[0] ?? {};
      expect([...own].find(([name]) => name.startsWith("snapshots/"))?.[1]).toEqual(bytes);
    },
  );

  test("from paths", async () => {
    await command("paths", "--threads", "1");
    const run = fineTunePaths({
      ...SETTINGS,
      rows: path("train.csv"),
      validationRows: validation,
      model: path("model"),
      threads: 1,
    });
    const { models } = endOf(await eventsOf(run));
    expect(byName(models.sparse)).toEqual(byName(filesIn(path("paths", "sparse"))));
  });

  test("from the files of a task", async () => {
    const data = [glueFile("train.tsv", labelledRows(40)), glueFile("dev.tsv", labelledRows(12))];
    mkdirSync(path("glue"));
    for (const { name, bytes } of data) writeFileSync(path("glue", name), bytes);
    const places = ["--data", path("glue"), "--model", path("model"), "--out", path("task")];
    const recipe = ["--task", "sst2", "--recipe", "generic"];
    const { code } = await espalier(["finetune", ...recipe, ...places, ...ARGV]);
    expect(code).toBe(0);
    const own = byName(filesIn(path("task", "sparse")));
    const { rows: _, validationRows: __, ...others } = given({ recipe: "generic" });
    const [train, dev] = data;
    for (const options of [{ data }, { rows: train, validationRows: dev }]) {
      const run = fineTuneClassifier({ ...others, task: "sst2", ...options });
      expect(byName(endOf(await eventsOf(run)).models.sparse)).toEqual(own);
    }
    const run = fineTunePaths({ ...others, task: "sst2", data: path("glue"), threads: 1 });
    expect(byName(endOf(await eventsOf(run)).models.sparse)).toEqual(own);
  });

  test("from compressed rows", async () => {
    const gzip = ({ name, bytes }: ClassifierFile<Uint8Array>) => {
      return { name: `${name}.gz`, bytes: new Blob([gzipSync(bytes)]) };
    };
    const rows = { rows: gzip(training), validationRows: gzip(validation) };
    const { models } = endOf(await eventsOf(fineTuneClassifier(given(rows))));
    const expected = endOf(await eventsOf(fineTuneClassifier(given()))).models;
    expect(byName(models.sparse)).toEqual(byName(expected.sparse));
  });

  test("from a list of rows", async () => {
    const rows = { rows: labelledRows(40), validationRows: labelledRows(12) };
    const { models } = endOf(await eventsOf(fineTuneClassifier(given(rows))));
    const expected = endOf(await eventsOf(fineTuneClassifier(given()))).models;
    expect(byName(models.sparse)).toEqual(byName(expected.sparse));
  });
});

test("inputs in memory hide no files of the storage below", async () => {
  const below = createMemoryStorage();
  for (const name of ["rows/train.csv", "model/config.json", "vocab"])
    await below.write(name, name);
  const inputs = createMemoryStorage(new Map(), below);
  const { trainFile, model: directory } = await placed(inputs, given({ vocab: "[PAD]" }));
  for (const [name, bytes] of below.files) expect(await inputs.read(name)).toBe(bytes);
  expect(await inputs.list("model")).toEqual(["config.json"]);
  expect(await inputs.read(trainFile ?? "")).toBe(training.bytes);
  expect((await inputs.list(directory ?? "")).length).toBe(model.length);
});

test("events and snapshots are copies", async () => {
  const whole = fineTuneClassifier(given());
  const expected = endOf(await eventsOf(whole)).models;
  const run = fineTuneClassifier(given());
  const spoil = (files: readonly ClassifierFile<Uint8Array>[]): void => {
    for (const { bytes } of files) structuredClone(bytes, { transfer: [bytes.buffer] });
  };
  const events: FineTuningEvent[] = [];
  for await (const event of run) {
    events.push(event);
    if (event.type === "epoch") {
      Object.assign(event.metrics, { epoch: 99 });
      spoil(run.snapshot() ?? []);
    }
    if (event.type === "model") {
      Object.assign(event.result, { metric: "none" });
      spoil(event.files);
    }
  }
  const { models } = endOf(events);
  const resumeFrom = run.snapshot() ?? [];
  expect(byName(resumeFrom)).toEqual(byName(whole.snapshot() ?? []));
  for (const name of ["dense", "sparse"]) {
    expect(byName(models[name])).toEqual(byName(expected[name]));
    spoil(models[name] ?? []);
  }
  const again = endOf(await eventsOf(fineTuneClassifier(given({ resumeFrom })))).models;
  expect(byName(again.sparse)).toEqual(byName(expected.sparse));
});

describe("a snapshot", () => {
  test("is plain data that continues a run to the same bytes, from any step", async () => {
    const whole = endOf(await eventsOf(fineTuneClassifier(given()))).models;
    for (const stopAt of [3, 9, 14]) {
      const stop = new AbortController();
      const run = fineTuneClassifier(given({ signal: stop.signal }));
      const events: FineTuningEvent[] = [];
      for await (const event of run) {
        events.push(event);
        if (event.type === "step" && event.done === stopAt) stop.abort();
      }
      expect(endOf(events).completed).toBe(false);
      expect(events.filter(({ type }) => type === "step")).toHaveLength(stopAt);
      const resumeFrom = structuredClone(run.snapshot()) ?? [];
      const rest = await eventsOf(fineTuneClassifier(given({ resumeFrom })));
      const { completed, models } = endOf(rest);
      expect(completed).toBe(true);
      expect(Object.keys(models)).toEqual(["dense", "sparse"]);
      for (const name of ["dense", "sparse"])
        expect(byName(models[name])).toEqual(byName(whole[name]));
    }
  });

  test("of a run with several seeds has the models of one of them", async () => {
    await command("seeds", "--seeds", "42,43");
    const named = (folder: string) =>
      filesIn(path("seeds", folder)).map((file) => ({ ...file, name: `${folder}/${file.name}` }));
    const resumeFrom = ["snapshots", "seed-43/dense", "seed-43/sparse"].flatMap(named);
    const { models } = endOf(await eventsOf(fineTuneClassifier(given({ resumeFrom, seed: 43 }))));
    for (const name of ["dense", "sparse"])
      expect(byName(models[name])).toEqual(byName(filesIn(path("seeds", "seed-43", name))));
  });

  test("of another seed is refused", async () => {
    const run = fineTuneClassifier(given({ seed: 7 }));
    for await (const event of run) if (event.type === "epoch") break;
    const resumed = fineTuneClassifier(given({ resumeFrom: run.snapshot() ?? [] }));
    await expect(eventsOf(resumed)).rejects.toThrow(
      "resumeFrom: expected a snapshot of seed 42, got snapshots of seed 7",
    );
  });

  test("of other settings is refused", async () => {
    const run = fineTuneClassifier(given());
    for await (const event of run) if (event.type === "epoch") break;
    const resumeFrom = run.snapshot() ?? [];
    expect(resumeFrom.length).toBeGreaterThan(0);
    const other = fineTuneClassifier(given({ resumeFrom, learningRate: 0.5 }));
    await expect(eventsOf(other)).rejects.toThrow(InputError);
  });
});

describe("no memory is left behind", () => {
  /** A run whose backends are known. */
  function watched(changes: Partial<FineTuneClassifierOptions> = {}) {
    const backends: ThreadedBackend[] = [];
    let stopped = 0;
    const startBackend = async (options: Pick<ThreadedBackend, "threads">) => {
      const startThread = () => Promise.reject(new Error("none"));
      const backend = await createThreadedBackend({ ...options, variant: "scalar", startThread });
      backends.push(backend);
      return { ...backend, stop: () => void stopped++ };
    };
    const options = given(changes);
    const inputs = createMemoryStorage();
    const run = trainingRun({ startBackend }, options, async () => [
      inputs,
      await placed(inputs, options),
    ]);
    const used = () => backends.map(({ memory }) => memory.usage().used);
    return { run, used, counts: () => [backends.length, stopped] };
  }

  test("at the end", async () => {
    const { run, used, counts } = watched();
    await eventsOf(run);
    expect([used(), counts()]).toEqual([[0], [1, 1]]);
  });

  test.each([1, 6, 14])("by an abort at step %i", async (step) => {
    const stop = new AbortController();
    const { run, used, counts } = watched({ signal: stop.signal });
    let most = 0;
    for await (const event of run) {
      most = Math.max(most, ...used());
      if (event.type === "step" && event.done === step) stop.abort();
    }
    expect(most).toBeGreaterThan(0);
    expect([used(), counts()]).toEqual([[0], [1, 1]]);
  });

  test.each(["step", "epoch", "model"])("by leaving the loop at the first %s", async (type) => {
    const { run, used, counts } = watched();
    for await (const event of run) if (event.type === type) break;
    expect([used(), counts()]).toEqual([[0], [1, 1]]);
    expect(await run.next()).toEqual({ done: true, value: undefined });
  });

  test("before a run begins, nothing is taken", async () => {
    const { run, counts } = watched();
    expect((await run.next()).value).toMatchObject({ type: "start" });
    expect(counts()).toEqual([0, 0]);
    await run.return?.();
    const aborted = watched({ signal: AbortSignal.abort() });
    expect((await eventsOf(aborted.run)).map(({ type }) => type)).toEqual(["start", "end"]);
    expect(aborted.counts()).toEqual([0, 0]);
    const bad = watched({ rows: csvFile("train.csv", [{ text: "a", label: "" }]) });
    await expect(eventsOf(bad.run)).rejects.toThrow(InputError);
    expect(bad.counts()).toEqual([0, 0]);
  });
});

describe("bad input is one error with all problems", () => {
  test("of settings", () => {
    const wrong = { learningRate: -1, numTrainEpochs: 1.5, profile: "other", epochs: 3 };
    const call = () => fineTuneClassifier({ ...given(), ...wrong } as never);
    expect(call).toThrow(InputError);
    for (const name of Object.keys(wrong)) expect(call).toThrow(name);
  });

  test("of files, by the names of the options", async () => {
    const broken = { name: "config.json", bytes: new TextEncoder().encode("{") };
    const files = [broken, ...model.filter(({ name }) => name !== broken.name)];
    const run = fineTuneClassifier(given({ model: files, teacher: files.slice(1) }));
    await expect(eventsOf(run)).rejects.toThrow(/model\/config.json[\s\S]*teacher/);
    const none = fineTuneClassifier({ rows: training });
    await expect(eventsOf(none)).rejects.toThrow("`model`");
  });

  test("of the files of a task", async () => {
    const wrong = glueFile("train.tsv", labelledRows(4));
    const bytes = new TextEncoder().encode(`${new TextDecoder().decode(wrong.bytes)}a tree\tyes\n`);
    const { rows: _, validationRows: __, ...others } = given({ recipe: "generic" });
    const options = { ...others, task: "sst2", data: [{ name: "train.tsv", bytes }] } as const;
    await expect(eventsOf(fineTuneClassifier(options))).rejects.toThrow(
      /^data\/train\.tsv:6: expected a label from 0 to 1, got "yes"\n`data`: expected a file, got data\/dev\.tsv/,
    );
    await expect(eventsOf(fineTuneClassifier({ ...options, textColumn: "a" }))).rejects.toThrow(
      "`textColumn`: expected no `task` beside it",
    );
    await expect(eventsOf(fineTuneClassifier({ ...others, data: options.data }))).rejects.toThrow(
      "`task`: expected one of cola",
    );
    const call = (changes: object) => () => fineTuneClassifier({ ...options, ...changes } as never);
    expect(call({ task: "sst" })).toThrow("`task`: expected one of cola");
    expect(call({ data: undefined })).toThrow("options: expected an object, rows, got");
    expect(call({ rows: labelledRows(4) })).toThrow("`task`: expected a file as `rows`");
    expect(call({ validationRows: labelledRows(4) })).toThrow("`validationRows`: expected a file");
  });

  test("of rows in a list, by their index", async () => {
    const rows = [...labelledRows(8), { text: "the old tree", label: "" }];
    const run = fineTuneClassifier(given({ rows, validationRows: labelledRows(4) }));
    await expect(eventsOf(run)).rejects.toThrow(/^rows\[8\], column "label"/);
    expect(() => fineTuneClassifier(given({ rows }))).toThrow("`validationRows`: expected a list");
  });
});
