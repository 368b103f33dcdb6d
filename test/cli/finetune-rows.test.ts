/** `finetune` on row files: columns, labels, recipe and metrics, and what is refused. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import type { MetricsLine } from "../../src/run/metrics.ts";
import { cacheModel, espalier, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

/** Texts that end with the word of their label. */
const WORDS = { oak: "tree", brick: "wall", grape: "vine", apple: "fruit" } as const;
const FILLERS = ["the old", "a tall", "not flat", "slowly green", "well the"];

function rows(count: number): readonly (readonly [text: string, label: keyof typeof WORDS])[] {
  const labels = ["oak", "brick", "grape", "apple"] as const;
  return Array.from({ length: count }, (_, i) => {
    const label = labels[i % 4] ?? "oak";
    return [`${FILLERS[i % 5]} ${WORDS[label]}`, label] as const;
  });
}

function csv(count: number): string {
  return `body,kind\n${rows(count)
    .map(([text, label]) => `"${text}",${label}\n`)
    .join("")}`;
}

beforeAll(async () => {
  await writeModel(path("model"));
  await writeModel(path("encoder"), {}, (name) => name.startsWith("bert."));
  writeFileSync(path("train.csv"), csv(40));
  writeFileSync(path("validation.csv"), csv(12));
});

/** Options by name; undefined leaves one out. */
type Changes = Readonly<Record<string, string | undefined>>;

const SHORT: Changes = {
  "dense-num-train-epochs": "2",
  "num-train-epochs": "4",
  "per-device-train-batch-size": "8",
  "dense-learning-rate": "0.003",
};

function finetune(out: string, changes: Changes = {}, ...flags: readonly string[]) {
  const options = {
    "train-file": path("train.csv"),
    "label-column": "kind",
    model: path("encoder"),
    out: path(out),
    ...SHORT,
    ...changes,
  };
  const given = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
  return espalier(["finetune", ...given, ...flags]);
}

function metrics(out: string): readonly MetricsLine[] {
  const lines = readFileSync(path(out, "metrics.jsonl"), "utf8").trim().split("\n");
  return lines.map((line) => JSON.parse(line) as MetricsLine);
}

function configOf(out: string, phase: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path(out, phase, "config.json"), "utf8"));
}

test("rows with four labels by name are trained, pruned, saved and classified", async () => {
  const { code, out, err } = await finetune("run");
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(err).toContain('columns: text "body", label "kind"\n');
  expect(err).toContain(
    "rows: 36 for training, 4 for validation (0.1 of the file, by seed 42, label by label)\n",
  );
  expect(err).toContain(
    'problem type: single_label_classification, 4 labels: "apple", "brick", "grape", "oak"\n',
  );
  expect(err).toContain("newly initialised: classifier.weight, classifier.bias");
  expect(err).toContain(
    [
      "recipe generic: inputs of at most 32 tokens, compared by accuracy",
      "dense: 2 epochs (6 steps of 16 rows, 2 evaluations) at 0.003 linear, weight decay 0.00005",
      "sparse 4x1: 4 epochs (20 steps of 8 rows, 4 evaluations) at 0.001 constant, weight decay 0.001; target 0.9 in 12 prune steps from step 2 to 13, profile strict; cool-down 1 epoch; distillation: weight 5, padding excluded\n",
    ].join("\n"),
  );
  expect(out).toMatch(/dense accuracy mean\/max/);
  for (const phase of ["dense", "sparse"])
    expect(configOf("run", phase)).toMatchObject({
      id2label: { 0: "apple", 1: "brick", 2: "grape", 3: "oak" },
      label2id: { apple: 0, brick: 1, grape: 2, oak: 3 },
      problem_type: "single_label_classification",
      espalier_rows: { text_column: "body", text_pair_column: null, label_column: "kind" },
      espalier_max_length: 32,
    });
  const lines = metrics("run");
  expect(lines.map(({ phase, epoch }) => `${phase} ${epoch}`)).toEqual([
    ...["dense 1", "dense 2"],
    ...["sparse 1", "sparse 2", "sparse 3", "sparse 4"],
  ]);
  expect(
    lines.every(({ macro_f1, profile }) => typeof macro_f1 === "number" && profile === "strict"),
  ).toBe(true);
  const classified = await espalier(["classify", path("run", "dense"), "--text", "the old tree"]);
  expect(classified.out).toMatch(/apple|brick|grape|oak/);
});

test("a model and a teacher in the Hugging Face cache, which the title and lines name", async () => {
  vi.stubEnv("HF_HUB_CACHE", path("hub"));
  try {
    cacheModel(path("hub"), "org/encoder", path("encoder"));
    expect((await finetune("teacher", { "do-prune": "false" })).code).toBe(0);
    cacheModel(path("hub"), "teacher", path("teacher", "dense"));
    const models = { model: "org/encoder", "teacher-model-name-or-path": "teacher" };
    const { code, err } = await finetune("cached", models);
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(err).toContain("org/encoder: newly initialised: classifier.weight, classifier.bias\n");
    expect(err).not.toContain("snapshots");
    const report = readFileSync(path("cached", "report.html"), "utf8");
    expect(report).toMatch(/<title>org\/encoder on \S+\/train\.csv, pruned to 4x1<\/title>/);
    expect(report).not.toContain("models--org");
    const other = await finetune("other", { model: "org/other" });
    expect(other.code).toBe(2);
    expect(other.err).toMatch(
      /^--model: expected a directory, or a model in the Hugging Face cache/,
    );
    expect(other.err).toMatch(/; to download it: hf download org\/other\n$/);
    const twice = { model: "org/other", "teacher-model-name-or-path": "org/another" };
    expect((await finetune("other", twice)).err.split("\n")[1]).toMatch(
      /^--teacher-model-name-or-path: .* hf download org\/another$/,
    );
    expect(existsSync(path("other"))).toBe(false);
  } finally {
    vi.unstubAllEnvs();
  }
});

test("texts are cut as in training, unless an option says otherwise", async () => {
  const text = "the old tree is a tree ".repeat(3);
  const model = path("cut");
  await writeModel(model, { espalier_max_length: 6 });
  const logits = async (...argv: readonly string[]): Promise<unknown> => {
    const { out } = await espalier(["classify", model, "--text", text, "--json", ...argv]);
    return JSON.parse(out.split("\n")[0] ?? "").logits;
  };
  const cut = await logits();
  expect(cut).toEqual(await logits("--max-length", "6"));
  expect(cut).not.toEqual(await logits("--max-length", "12"));
});

test("all seeds have the same validation rows, so that one of them can be resumed alone", async () => {
  const epochs = { "do-prune": "false", "num-train-epochs": "1", seed: undefined };
  const both = await finetune("seeds", { ...epochs, seeds: "1,2" });
  expect(both).toMatchObject({ code: 0 });
  const one = await finetune("seeds", { ...epochs, seed: "1" }, "--resume");
  expect(one).toMatchObject({ code: 0 });
  const other = await finetune("seeds", { ...epochs, seed: "1", "split-seed": "7" }, "--resume");
  expect(other).toMatchObject({ code: 2, err: expect.stringContaining("other rows") });
});

test("a head for other labels is not used, and one for the same labels is", async () => {
  const run = await finetune("two", {
    model: path("model"),
    "do-prune": "false",
    "num-train-epochs": "1",
  });
  expect(run).toMatchObject({ code: 0 });
  expect(run.err).toContain(`${path("model")}: the head for 2 labels is not used\n`);
  const again = { model: path("two", "dense"), "dense-num-train-epochs": "0" };
  const pruned = await finetune("again", again);
  expect(pruned).toMatchObject({ code: 0 });
  expect(pruned.err).not.toContain("newly initialised");
  const two = await finetune("none", { ...again, model: path("model") });
  expect(two).toMatchObject({ code: 2 });
  expect(two.err).toBe(
    `${path("model", "config.json")}: expected a head for the labels apple, brick, grape, oak, got 2 labels\n`,
  );
  expect(existsSync(path("none"))).toBe(false);
}, 30_000);

test("labels with fractions are values: Pearson and Spearman correlation decide", async () => {
  const texts = rows(40).map(([text, label], i) => `${text},${label === "oak" ? 2.5 : i % 3}`);
  writeFileSync(path("values.csv"), `body,score\n${texts.join("\n")}\n`);
  const changes = { "train-file": path("values.csv"), "label-column": "score" };
  const { code, out, err } = await finetune("values", changes);
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(err).toContain("problem type: regression\n");
  expect(out).toContain("dense Pearson correlation mean/max");
  expect(configOf("values", "sparse")).toMatchObject({
    id2label: { 0: "LABEL_0" },
    problem_type: "regression",
  });
  for (const line of metrics("values")) {
    expect(Object.keys(line)).toEqual(expect.arrayContaining(["pearson", "spearman"]));
    expect(line.mean_squared_error).toBeGreaterThan(0);
    expect(line.accuracy).toBeNull();
  }
}, 30_000);

const SEVERAL: readonly (readonly [form: string, file: string, text: string, Changes])[] = [
  [
    "a list in JSON",
    "list.jsonl",
    rows(40)
      .map(([body, label], i) => JSON.stringify({ body, kind: i % 5 === 0 ? [] : ["any", label] }))
      .join("\n"),
    {},
  ],
  [
    "several columns",
    "columns.csv",
    `body,any,oak,brick\n${rows(40)
      .map(([body, label]) => `${body},1,${Number(label === "oak")},${Number(label === "brick")}`)
      .join("\n")}`,
    { "label-column": "any,oak,brick" },
  ],
  [
    "a separator",
    "separator.tsv",
    `body\tkind\n${rows(40)
      .map(([body, label]) => `${body}\tany|${label}`)
      .join("\n")}`,
    { "label-separator": "|" },
  ],
];

test.each(SEVERAL)(
  "several labels a row: %s",
  async (form, file, text, changes) => {
    writeFileSync(path(file), text);
    const { code, out, err } = await finetune(`${file}-run`, {
      "train-file": path(file),
      ...changes,
    });
    expect({ form, code, err }).toMatchObject({ code: 0 });
    expect(err).toContain("problem type: multi_label_classification");
    expect(out).toContain("dense micro F1 mean/max");
    const names =
      file === "columns.csv" ? ["any", "oak", "brick"] : ["any", "apple", "brick", "grape", "oak"];
    expect(configOf(`${file}-run`, "sparse")).toMatchObject({
      id2label: Object.fromEntries(names.map((name, id) => [String(id), name])),
      problem_type: "multi_label_classification",
    });
    for (const line of metrics(`${file}-run`)) {
      expect(line.micro_f1).toBeGreaterThanOrEqual(0);
      expect(line.macro_f1).toBeGreaterThanOrEqual(0);
    }
  },
  30_000,
);

test("final models are evaluated on a test file, by class and by confusion", async () => {
  writeFileSync(path("test.csv"), csv(8));
  const changes = { "test-file": path("test.csv"), "do-prune": "false", "num-train-epochs": "1" };
  const { code, out, err } = await finetune("tested", changes);
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(out).toMatch(/\ndense +42 +validation \(4\) +\d/);
  expect(out).toMatch(/\ndense +42 +test \(8\) +\d/);
  const report = readFileSync(path("tested", "report.html"), "utf8");
  for (const part of [
    "Final models",
    "By label: dense, seed 42",
    "Confusions: dense, seed 42",
    '<th scope="row">brick</th>',
  ])
    expect(report).toContain(part);
  const json = await finetune("json", changes, "--json");
  const events = json.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.find(({ event }) => event === "settings")).toMatchObject({
    settings: { recipes: "generic", seeds: "42", "dense: epochs": "2" },
  });
  expect(events.filter(({ event }) => event === "evaluation").map(({ rows }) => rows)).toEqual([
    "validation",
    "test",
  ]);
  writeFileSync(path("test.csv"), "body,kind\na tree,stone\n");
  const refused = await finetune("refused", changes);
  expect(refused.err).toContain(`${path("test.csv")}:2, column "kind"`);
}, 30_000);

test("a dry run tells labels, repeated rows, memory and time, and writes nothing", async () => {
  const changes = { "validation-file": path("validation.csv"), out: undefined };
  const { code, out, err } = await finetune("", changes, "--dry-run");
  expect({ code, err }).toMatchObject({ code: 0 });
  expect(out).toContain(
    "truncated if longer: training 0 of 40 (0.0 %), validation 0 of 12 (0.0 %)\n",
  );
  expect(out).toContain("validation rows that are training rows: 12 of 12 (100.0 %)\n");
  expect(out).toContain("rows by label (training, validation):\n  apple: 10, 3\n  brick: 10, 3\n");
  expect(out).toMatch(/memory for one seed, without activations: \d+ MiB\n/);
  expect(out).toMatch(
    /time: about 1 min for one seed \(26 steps and evaluations, from a few of each phase\); 1 to run\n {2}dense: 1 min, 6 steps of 0\.\d{3} s\n {2}sparse 4x1: 1 min, 20 steps of 0\.\d{3} s in the first epoch, later 0\.\d{3} s, and 0\.\d{3} s with 89\.8 % pruned\n/,
  );
  const json = await finetune("dry", changes, "--dry-run", "--json");
  expect(JSON.parse(json.out)).toMatchObject({
    event: "dry-run",
    settings: { recipes: "generic", profile: "strict", "dense: epochs": "2" },
    training: { rows: 40, labels: { apple: 10 } },
    repeated: 12,
    steps: 26,
    phases: [
      { phase: "dense", steps: 6, later: null },
      { phase: "sparse", pattern: "4x1", steps: 20, later: { share: expect.closeTo(0.9, 1) } },
    ],
  });
  const short = await finetune("dry", { ...changes, "max-seq-length": "4" }, "--dry-run");
  expect(short.out).toContain("training 40 of 40 (100.0 %)");
  expect(existsSync(path("dry"))).toBe(false);
}, 30_000);

test.each([
  ["snip_momentum_progressive", "40", "16"],
  ["block_mask", "4", "1"],
])(
  "a dry run times pruning by %s",
  async (type, epochs, frequency) => {
    const batch = { "per-device-train-batch-size": "32", "num-train-epochs": epochs };
    const pruning = { "pruning-type": type, "pruning-frequency": frequency };
    const rows = { "validation-file": path("validation.csv"), out: undefined };
    const { code, out, err } = await finetune("", { ...rows, ...batch, ...pruning }, "--dry-run");
    expect({ code, err }).toMatchObject({ code: 0 });
    expect(out).toContain("sparse 4x1:");
  },
  30_000,
);

/** What a file has, and the problem that it must be refused with. */
const REFUSED: readonly (readonly [name: string, text: string | Uint8Array, problem: string])[] = [
  [
    "ragged.csv",
    "body,kind\na tree,oak\na wall,brick,more\n",
    "ragged.csv:3: expected 2 fields, got 3",
  ],
  [
    "column.csv",
    "body,sort\na tree,oak\n",
    'column.csv:1, column "kind": expected a column kind, got body, sort',
  ],
  [
    "quote.csv",
    'body,kind\na tree,oak\n"a wall,brick\n',
    "quote.csv:3: expected a closing quotation mark",
  ],
  [
    "one.csv",
    "body,kind\na tree,oak\na wall,oak\n",
    'one.csv, column "kind": expected 2 or more labels, got oak',
  ],
  ["empty.csv", "", "empty.csv: expected rows, got none"],
  ["header.csv", "body,kind\n", "header.csv: expected rows, got none"],
  [
    "bytes.csv",
    Uint8Array.of(...Buffer.from("body,kind\na tree,oak\na "), 0xff, 0x0a),
    "bytes.csv:3: expected UTF-8",
  ],
  ["rows.txt", "body,kind\n", "rows.txt: expected a file whose name ends with .csv"],
];

test.each(REFUSED)("%s is refused before anything is written", async (name, content, problem) => {
  writeFileSync(path(name), content);
  const { code, err } = await finetune("refused", { "train-file": path(name) });
  expect(err).toContain(`${root}/${problem}`);
  expect(code).toBe(2);
  expect(existsSync(path("refused"))).toBe(false);
});

test("a validation file with an unknown label or without a column is refused by line", async () => {
  const wrong = { "validation-file": path("wrong.csv") };
  writeFileSync(path("wrong.csv"), "body,kind\na tree,oak\na wall,stone\n");
  expect((await finetune("refused", wrong)).err).toBe(
    `${path("wrong.csv")}:3, column "kind": expected apple or brick or grape or oak, got "stone"\n`,
  );
  writeFileSync(path("wrong.csv"), "text,kind\na tree,oak\n");
  expect((await finetune("refused", wrong)).err).toContain(
    `${path("wrong.csv")}:1, column "body": expected a column body`,
  );
  expect(existsSync(path("refused"))).toBe(false);
});

test("options that do not fit are refused by name", async () => {
  const refusals: readonly (readonly [Changes, string])[] = [
    [
      { "validation-file": path("validation.csv"), "validation-split": "0.2" },
      "--validation-split: expected no --validation-file beside it, got both\n",
    ],
    [{ "train-file": undefined }, "--task: expected one of cola, mnli"],
    [
      { "pruning-pattern": "4x1,4x1" },
      '--pruning-pattern: expected different patterns, separated by commas, got "4x1,4x1"\n',
    ],
    [{ "label-separator": "||" }, '--label-separator: expected one character, got "||"\n'],
    [
      { task: "sst2", "validation-file": path("validation.csv") },
      "--label-column: expected no --task beside it",
    ],
    [{ "train-file": path("none.csv") }, "--train-file: expected a file, got"],
    [{ recipe: "none" }, "--recipe: expected one of"],
  ];
  for (const [changes, problem] of refusals) {
    const { code, err } = await finetune("refused", changes);
    expect(err).toContain(problem);
    expect(code).toBe(2);
  }
});
