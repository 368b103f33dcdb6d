import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { readSafetensorsOrThrow, toFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import type { MetricsLine } from "../../src/run/metrics.ts";
import { espalier, temporaryDirectory, writeModel, writeTask } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

beforeAll(async () => {
  await writeModel(path("model"));
  writeTask(path("data"));
});

/** Options by name; undefined leaves one of the short run's out. */
type Changes = Readonly<Record<string, string | undefined>>;

/** A short run: two dense epochs of two steps, five sparse epochs of two, pruned at every step from 2 to 8. */
function short(out: string, changes: Changes = {}, ...flags: readonly string[]): readonly string[] {
  const options = {
    task: "mrpc",
    data: path("data"),
    model: path("model"),
    out: path(out),
    "max-seq-length": "32",
    "per-device-train-batch-size": "16",
    "dense-num-train-epochs": "2",
    "num-train-epochs": "5",
    ...PRUNING,
    ...changes,
  };
  const given = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  return ["finetune", ...given, ...flags];
}

const PRUNING: Changes = {
  "pruning-frequency": "1",
  "cooldown-epochs": "1",
  "target-sparsity": "0.5",
  "pruning-pattern": "4x1",
};

function metrics(out: string): readonly MetricsLine[] {
  const lines = readFileSync(path(out, "metrics.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as MetricsLine);
}

/** Digests of the files that must be the same in every run: metrics and all safetensors. */
function digests(out: string): Readonly<Record<string, string>> {
  const files = readdirSync(path(out), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".safetensors") || name.endsWith(".jsonl"))
    .sort();
  const digest = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(path(out, name)))
      .digest("hex");
  return Object.fromEntries(files.map((name) => [name, digest(name)]));
}

/** Zeros over entries of each linear layer of the encoder. */
function zeroShares(out: string): readonly number[] {
  const bytes = readFileSync(path(out, "model.safetensors"));
  const { tensors } = readSafetensorsOrThrow(new Uint8Array(bytes));
  return [...tensors]
    .filter(([name, { shape }]) => /encoder.*\.weight$/.test(name) && shape.length === 2)
    .map(([, tensor]) => toFloat32(tensor))
    .map((values) => values.filter((value) => value === 0).length / values.length);
}

test("a run writes models, metrics, timings, report and snapshot, and prints the table", async () => {
  const { code, out, err } = await espalier(short("run"));
  expect(err).toContain("seed 42  sparse 4x1  epoch 5/5  loss ");
  expect(code).toBe(0);
  expect(out).toMatch(/^\npattern +blocks pruned +sparsity \(linear\)/);
  expect(out).toMatch(/\n4x1 +256\/512 +0\.\d{4} +0\.5000 /);
  expect(out).toContain(`Report: ${path("run", "report.html")}`);
  const lines = metrics("run");
  expect(lines.map(({ phase, epoch }) => `${phase} ${epoch}`)).toEqual([
    ...["dense 1", "dense 2"],
    ...[1, 2, 3, 4, 5].map((epoch) => `sparse ${epoch}`),
  ]);
  expect(lines.at(-1)).toMatchObject({ seed: 42, pattern: "4x1", profile: "inc", step: 10 });
  expect(lines.at(-1)?.sparsity_pruned_layers).toBe(0.5);
  const shares = zeroShares("run/sparse");
  expect(shares).toHaveLength(6);
  expect(shares.reduce((sum, share) => sum + share) / shares.length).toBeGreaterThan(0.4);
  expect(Math.max(...zeroShares("run/dense"))).toBe(0);
  for (const name of ["dense", "sparse"])
    for (const file of ["config.json", "vocab.txt", "tokenizer_config.json"])
      expect(existsSync(path("run", name, file))).toBe(true);
  const report = readFileSync(path("run", "report.html"), "utf8");
  for (const part of ["Pruned to", "Mask of", "bertmini-mrpc-4x1", "data:image/png"])
    expect(report).toContain(part);
  expect(Object.keys(JSON.parse(readFileSync(path("run", "timings.json"), "utf8")))).toHaveLength(
    2,
  );
});

test("the same seed gives the same bytes, another seed others", async () => {
  expect((await espalier(short("again", {}, "--json"))).code).toBe(0);
  expect(digests("again")).toEqual(digests("run"));
  expect((await espalier(short("seed", { seed: "43" }))).code).toBe(0);
  expect(digests("seed")["sparse/model.safetensors"]).not.toBe(
    digests("run")["sparse/model.safetensors"],
  );
});

test("batches by length and distillation without padding are settings of the run", async () => {
  const changes = { batching: "bucketed", "distill-padding": "excluded" };
  expect((await espalier(short("bucketed", changes))).code).toBe(0);
  expect(digests("bucketed")["sparse/model.safetensors"]).not.toBe(
    digests("run")["sparse/model.safetensors"],
  );
  const report = readFileSync(path("bucketed", "report.html"), "utf8");
  expect(report).toMatch(/sparse: batches<\/th><td>bucketed</);
  expect(report).toMatch(/sparse: padding in distillation<\/th><td>excluded</);
  const resumed = await espalier(short("bucketed", {}, "--resume"));
  expect(resumed.code).toBe(2);
  for (const message of [
    '--batching: expected "bucketed" as in the run to continue, got "shuffled"',
    '--distill-padding: expected "excluded" as in the run to continue, got "included"',
  ])
    expect(resumed.err).toContain(message);
});

test("the teacher's results are kept without a change of bytes, in a file beyond the budget", async () => {
  const off = { "teacher-cache": "off" };
  expect((await espalier(short("uncached", off))).code).toBe(0);
  // The snapshot states the setting.
  const { "snapshots/seed-42.safetensors": _, ...results } = digests("run");
  expect(digests("uncached")).toMatchObject(results);
  expect((await espalier(short("spilt", { "teacher-cache-budget": "0" }))).code).toBe(0);
  expect(digests("spilt")).toEqual(digests("run"));
  const resumed = await espalier(short("run", off, "--resume"));
  expect(resumed.code).toBe(2);
  expect(resumed.err).toContain(
    '--teacher-cache: expected "float32" as in the run to continue, got "off"',
  );
});

test("several seeds are the single runs, side by side", async () => {
  const { code, out } = await espalier(short("seeds", { seeds: "43,42" }, "--json"));
  expect(code).toBe(0);
  const [run, seeds] = [digests("run"), digests("seeds")];
  expect(seeds["seed-42/sparse/model.safetensors"]).toBe(run["sparse/model.safetensors"]);
  expect(metrics("seeds")).toEqual([...metrics("seed"), ...metrics("run")]);
  const events = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.map(({ event }) => event)).toEqual([
    ...Array(14).fill("epoch"),
    "settings",
    ...Array(4).fill("evaluation"),
    "result",
    "end",
  ]);
  expect(events.at(-2)).toMatchObject({ pattern: "4x1", metric: "F1", sparsity_over_pruned: 0.5 });
  expect(events.at(-2)?.sparse).toHaveLength(2);
});

test("interrupted and resumed, a run ends as if it had not been", async () => {
  for (const stopAt of ["dense  epoch 1/2", "dense  epoch 2/2", "sparse 4x1  epoch 3/5"]) {
    const name = `stopped ${stopAt.replaceAll("/", " of ")}`;
    const controller = new AbortController();
    const stopped = await espalier(short(name), controller.signal, (text) => {
      if (text.includes(stopAt)) controller.abort();
    });
    expect(stopped.code).toBe(130);
    expect(stopped.out).toContain("Interrupted; --resume continues from here.");
    expect(metrics(name).length).toBeLessThan(7);
    const resumed = await espalier(short(name, {}, "--resume"));
    expect(resumed.code).toBe(0);
    expect(digests(name)).toEqual(digests("run"));
    expect(resumed.out).toMatch(/\n4x1 +256\/512/);
  }
});

test("a run whose snapshots lie in the folder of earlier versions is resumed", async () => {
  const name = "former";
  const controller = new AbortController();
  const stopped = await espalier(short(name), controller.signal, (text) => {
    if (text.includes("sparse 4x1  epoch 2/5")) controller.abort();
  });
  expect(stopped.code).toBe(130);
  renameSync(path(name, "snapshots"), path(name, "checkpoints"));
  expect((await espalier(short(name, {}, "--resume"))).code).toBe(0);
  const { "checkpoints/seed-42.safetensors": _, ...results } = digests(name);
  expect(results).toEqual(digests("run"));
});

test("interrupted before it began, a run leaves nothing behind", async () => {
  const { code, out } = await espalier(short("none"), AbortSignal.abort());
  expect({ code, out }).toEqual({ code: 130, out: "Interrupted before the run began.\n" });
  expect(existsSync(path("none"))).toBe(false);
});

test("a finished run that is resumed reports again and changes nothing", async () => {
  const before = digests("run");
  const { code, out } = await espalier(short("run", {}, "--resume"));
  expect(code).toBe(0);
  expect(out).toMatch(/\n4x1 +256\/512/);
  expect(digests("run")).toEqual(before);
});

test("a snapshot of other settings, or a damaged one, is refused", async () => {
  const other = await espalier(short("again", { "learning-rate": "0.5" }, "--resume"));
  expect(other.code).toBe(2);
  expect(other.err).toMatch(
    /^--learning-rate: expected 0.001 as in the run to continue, got 0.5$/m,
  );
  const products = await espalier(short("again", { "sparse-products": "off" }, "--resume"));
  expect(products.code).toBe(2);
  expect(products.err).toContain(
    '--sparse-products: expected "auto" as in the run to continue, got "off"\n',
  );
  const patterns = await espalier(short("again", { "pruning-pattern": "4x1,2:4" }, "--resume"));
  expect({ code: patterns.code, err: patterns.err.split("\n").slice(-2) }).toEqual({
    code: 2,
    err: ['--pruning-pattern: expected "4x1" as in the run to continue, got "4x1,2:4"', ""],
  });
  const snapshot = path("again", "snapshots", "seed-42.safetensors");
  writeFileSync(snapshot, readFileSync(snapshot).subarray(0, 1000));
  const damaged = await espalier(short("again", {}, "--resume"));
  expect(damaged.code).toBe(2);
  expect(damaged.err).toContain(snapshot);
});

test("--do-prune false trains the dense model alone", async () => {
  const none = Object.fromEntries(Object.keys(PRUNING).map((name) => [name, undefined]));
  const epochs = { "dense-num-train-epochs": undefined, "num-train-epochs": "3" };
  const { code, out } = await espalier(short("dense", { ...none, ...epochs, "do-prune": "false" }));
  expect(code).toBe(0);
  expect(out).toContain("seed 42: dense F1 ");
  expect(metrics("dense").map(({ phase }) => phase)).toEqual(["dense", "dense", "dense"]);
  expect(existsSync(path("dense", "sparse"))).toBe(false);
});

test("a fine-tuned model is pruned as it is, and can be taught by another", async () => {
  const { code } = await espalier(
    short("pruned", {
      model: path("run", "dense"),
      "dense-num-train-epochs": "0",
      teacher_model_name_or_path: path("seed", "dense"),
    }),
  );
  expect(code).toBe(0);
  expect(metrics("pruned").map(({ phase }) => phase)).toEqual(Array(5).fill("sparse"));
  expect(digests("pruned")["dense/model.safetensors"]).toBe(
    digests("run")["dense/model.safetensors"],
  );
});

test("a pre-trained encoder gets a new head, and what was new or not used is said", async () => {
  const encoder = await writeModel(path("encoder"), {}, (name) => /encoder|embeddings/.test(name));
  const weights = path("encoder", "model.safetensors");
  const { tensors } = readSafetensorsOrThrow(new Uint8Array(readFileSync(weights)));
  const bias = { dtype: "F32", shape: [1], bytes: new Uint8Array(4) } as const;
  writeFileSync(weights, writeSafetensors(new Map([...tensors, ["cls.predictions.bias", bias]])));
  const { code, out, err } = await espalier(short("encoded", { model: encoder }, "--json"));
  expect(code).toBe(0);
  expect(err).toContain(
    `${encoder}: newly initialised: bert.pooler.dense.weight, bert.pooler.dense.bias, classifier.weight, classifier.bias\n` +
      `${encoder}: not used: cls.predictions.bias\n`,
  );
  expect(out).not.toContain("initialised");
  const whole = await espalier(short("run", {}, "--resume"));
  expect(whole.err).not.toMatch(/newly initialised|not used/);
});

test("a model with a tokenizer.json is trained, saved with it, and read again", async () => {
  const fast = await writeModel(path("fast"));
  const tokens = readFileSync(join(fast, "vocab.txt"), "utf8").trim().split("\n");
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const tokenizer = JSON.stringify({
    normalizer: {
      ...{ type: "BertNormalizer", clean_text: true, handle_chinese_chars: true },
      ...{ strip_accents: null, lowercase: true },
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
    model: {
      ...{ type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##" },
      ...{ max_input_chars_per_word: 100, vocab },
    },
  });
  writeFileSync(join(fast, "tokenizer.json"), tokenizer);
  const run = await espalier(short("fast-run", { model: fast }));
  expect([run.code, run.err]).toEqual([0, expect.not.stringContaining("expected")]);
  for (const part of ["dense", "sparse"])
    expect(readFileSync(path("fast-run", part, "tokenizer.json"), "utf8")).toBe(tokenizer);
  const { code } = await espalier([
    "classify",
    path("fast-run", "sparse"),
    "--text",
    "a",
    "--json",
  ]);
  expect(code).toBe(0);
});

test("a mixed configuration comes from a file, in YAML as in JSON", async () => {
  const configs = [
    { op_names: [".*output", ".*intermediate"], pattern: "1x1", pruning_scope: "local" },
    { op_names: [".*query", ".*key", ".*value"], pattern: "2:4", target_sparsity: 0.25 },
  ];
  writeFileSync(path("mixed.json"), JSON.stringify({ pruning_configs: configs }));
  const yaml = [
    "- op_names: ['.*output', '.*intermediate']",
    "  pattern: 1x1",
    "  pruning_scope: local",
    "- op_names: ['.*query', '.*key', '.*value']",
    "  pattern: '2:4'",
    "  target_sparsity: 0.25",
  ];
  writeFileSync(path("mixed.yaml"), yaml.join("\n"));
  for (const file of ["mixed.json", "mixed.yaml"]) {
    const changes = { "pruning-config": path(file), "pruning-pattern": undefined };
    const { code, out } = await espalier(short(file.replace(".", "-"), changes));
    expect(code).toBe(0);
    expect(out).toMatch(/\nmixed +/);
  }
  expect(digests("mixed-json")).toEqual(digests("mixed-yaml"));
});

test("heads and channels go first, and blocks of the rest later", async () => {
  const early = { start_step: 1, end_step: 4 };
  const late = { start_step: 5, end_step: 8 };
  const narrow = [
    { pattern: "mha", target_sparsity: 0.5, ...early },
    { pattern: "channelx1", op_names: ["\\d\\.output"], target_sparsity: 0.5, ...early },
  ];
  const blocks = { pattern: "4x1", op_names: ["attention"], target_sparsity: 0.5 };
  const run = (name: string, configs: readonly object[]) => {
    writeFileSync(path(`${name}.json`), JSON.stringify({ pruning_configs: configs }));
    const changes = { "pruning-config": path(`${name}.json`), "pruning-pattern": undefined };
    return espalier(short(name, changes, "--profile", "strict"));
  };
  const { code, out } = await run("narrow", [...narrow, { ...blocks, ...late }]);
  expect([code, out]).toEqual([0, expect.stringMatching(/\nmixed +/)]);
  const report = readFileSync(path("narrow", "report.html"), "utf8");
  expect(report).toMatch(/(■□|□■)<.*1 of 2 heads</s);
  expect(report).toMatch(/■{8}□{8}<.*16 of 32 channels</s);
  const small = path("narrow-small");
  const argv = ["--heads", "remove", "--widths", "uniform", "--out", small];
  expect((await espalier(["shrink", path("narrow", "sparse"), ...argv])).code).toBe(0);
  const config = JSON.parse(readFileSync(join(small, "config.json"), "utf8"));
  expect(Object.values(config.pruned_heads as object).flat()).toHaveLength(1);
  expect(config.intermediate_size).toBe(16);
  const refused = await run("overlap", [...narrow, { ...blocks, start_step: 4, end_step: 8 }]);
  expect(refused.code).toBe(2);
  expect(refused.err).toContain(
    "expected one pruner at a time, got mha in steps 1 to 4, 4x1 in 4 to 8",
  );
});

test("a run that diverges says where, keeps what it has, and fails", async () => {
  const out = "diverged";
  const {
    code,
    out: text,
    err,
  } = await espalier(short(out, { "learning-rate": "1e39" }, "--seeds", "1,2"));
  const reason = /sparse phase of .+: training diverged at step \d+: .+ is /;
  expect(code).toBe(1);
  for (const seed of [1, 2])
    expect(err).toMatch(new RegExp(`^seed ${seed}, ${reason.source}`, "m"));
  expect(text).not.toContain("--resume continues");
  expect(metrics(out).map(({ seed, phase }) => `${seed} ${phase}`)).toEqual([
    ...["1 dense", "1 dense", "2 dense", "2 dense"],
  ]);
  const resumed = await espalier(
    short(out, { "learning-rate": "1e39" }, "--seeds", "1,2", "--resume", "--json"),
  );
  expect(resumed.code).toBe(1);
  expect(JSON.parse(resumed.out.trim().split("\n").at(-1) ?? "")).toMatchObject({
    event: "end",
    completed: false,
    diverged: [1, 2].map((seed) => expect.stringMatching(`seed ${seed}, ${reason.source}`)),
  });
});
