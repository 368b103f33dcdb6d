/** `espalier shrink`, and the logits of what it writes. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { getOrThrow } from "../../src/core/either.ts";
import { readHuggingFaceTokenizer } from "../../src/io/hugging-face.ts";
import { readSafetensorsOrThrow, writeSafetensors } from "../../src/io/safetensors.ts";
import { encode } from "../../src/io/tokenizer.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { initialiseParameters } from "../../src/model/parameters.ts";
import { loadSparseClassifier, saveModelDirectory } from "../../src/node/storage.ts";
import { padExamples } from "../../src/train/examples.ts";
import { bytePairFiles, type Files, wordPieceFiles } from "../checkpoint/vocabularies.ts";
import { CONFIG, espalier, temporaryDirectory, writeModel, writeShards } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

type Edit = (name: string, shape: readonly number[], data: Float32Array) => void;

/** Saves a model with random weights, which `edit` changes in place, and the files of a tokenizer. */
async function writeTokenizerModel(
  name: string,
  files: Files,
  config: object,
  edit: Edit = () => {},
): Promise<void> {
  const tokenizer = getOrThrow(readHuggingFaceTokenizer(files));
  const vocab_size = tokenizer.vocabulary.tokens.length;
  const source = { ...CONFIG, vocab_size, ...config };
  const backend = createBackend({ variant: "scalar" });
  const parameters = initialiseParameters(backend, parseModelConfigOrThrow(source), 7);
  const tensors = new Map(
    [...parameters].map(([key, { value }]) => [
      key,
      { shape: value.shape, data: value.data.slice() },
    ]),
  );
  for (const [key, { shape, data }] of tensors) edit(key, shape, data);
  await saveModelDirectory(path(name), { config: source, tensors, tokenizer });
  for (const [file, bytes] of files) writeFileSync(path(name, file), bytes);
}

/** The ids and the logits of texts, on scalar kernels. */
async function resultsOf(
  directory: string,
  texts: readonly string[],
  variant: "scalar" | "simd" = "scalar",
) {
  const backend = createBackend({ variant });
  const { classifier, tokenizer } = await loadSparseClassifier(directory, backend, {
    executions: "dense",
  });
  const examples = texts.map((text) => ({ ...encode(tokenizer, text), label: 0 }));
  const logits = classifier.logits(padExamples(examples, classifier.config.padTokenId));
  const tokens = examples.map(({ inputIds }) =>
    [...inputIds].map((id) => tokenizer.vocabulary.tokens[id]),
  );
  return { logits: [...logits], tokens };
}

/** Zeroes columns 3 to 12 of the first layer after the activation, and rows 2 to 7 of the second before it. */
const sparse: Edit = (name, [rows = 0, columns = 0], data) => {
  const [layer] = /(?<=layer\.)\d/.exec(name) ?? [];
  const isOutput = /(output\.dense|lin2)\.weight$/.test(name) && !name.includes("attention");
  const isInput = /(intermediate\.dense|lin1)\.(weight|bias)$/.test(name);
  const zero = (from: number, to: number): void => void data.fill(0, from, to);
  if (isInput) for (const [i, value] of data.entries()) if (value === 0) data[i] = 0.25;
  if (layer === "0" && isOutput)
    for (let row = 0; row < rows; row++) zero(row * columns + 3, row * columns + 13);
  if (layer === "1" && isInput) zero(2 * (columns || 1), 8 * (columns || 1));
};

/** Zeroes what three heads of the first layer write, and the values of one head of the second. */
const headless: Edit = (name, [rows = 0, columns = 0], data) => {
  const [layer] = /(?<=layer\.)\d/.exec(name) ?? [];
  const isOutput = /(attention\.output\.dense|out_lin)\.weight$/.test(name);
  const isValue = /(value|v_lin)\.(weight|bias)$/.test(name);
  if (isValue) for (const [i, value] of data.entries()) if (value === 0) data[i] = 0.25;
  if (layer === "0" && isOutput)
    for (let row = 0; row < rows; row++) data.fill(0, row * columns + 4, (row + 1) * columns);
  if (layer === "1" && isValue) data.fill(0, 8 * (columns || 1), 12 * (columns || 1));
};

const TEXTS = ["trees grow", "the wall stands; the trees bear fruit", "a tree"];
const PAIRS: readonly (readonly [string, string])[] = [
  ["t", "r"],
  ["e", "e"],
  ["tr", "ee"],
  ["w", "a"],
  ["l", "l"],
  ["wa", "ll"],
  ["Ġ", "wall"],
  ["o", "a"],
  ["oa", "k"],
];

beforeAll(async () => {
  const pieces = ["oak", "tree", "##s", "grow", "elm", "the", "wall", "stand", ";", "bear", "a"];
  const letters = [..."fruit"].flatMap((letter) => [letter, `##${letter}`]);
  await writeTokenizerModel("word-piece", wordPieceFiles([...pieces, ...letters]), {});
  const roberta = { model_type: "roberta", pad_token_id: 1, bos_token_id: 0, eos_token_id: 2 };
  await writeTokenizerModel("bpe", bytePairFiles(PAIRS), {
    ...roberta,
    type_vocab_size: 1,
    max_position_embeddings: 64,
  });
  await writeModel(path("slow"));
  const two = { num_hidden_layers: 2 };
  await writeTokenizerModel("sparse-bert", wordPieceFiles([...pieces, ...letters]), two, sparse);
  const distilbert = { model_type: "distilbert", dim: 16, hidden_dim: 32, n_layers: 2, n_heads: 2 };
  await writeTokenizerModel("sparse-distilbert", wordPieceFiles(pieces), distilbert, sparse);
  const four = { num_hidden_layers: 2, num_attention_heads: 4 };
  await writeTokenizerModel(
    "headless-bert",
    wordPieceFiles([...pieces, ...letters]),
    four,
    headless,
  );
  const fourHeads = { ...distilbert, n_heads: 4 };
  await writeTokenizerModel("headless-distilbert", wordPieceFiles(pieces), fourHeads, headless);
  const wide = { ...roberta, ...four, type_vocab_size: 1, max_position_embeddings: 64 };
  await writeTokenizerModel("headless-roberta", bytePairFiles(PAIRS), wide, headless);
  writeFileSync(path("texts.txt"), TEXTS.map((text) => `${text}\n`).join(""));
  writeFileSync(path("rows.csv"), "label,text\n1,an oak\n0,the trees\n");
});

let made = 0;
const target = (): string => path(`out-${made++}`);

async function shrunk(from: string, ...more: string[]): Promise<{ to: string; out: string }> {
  const to = target();
  const argv = ["shrink", from, "--vocabulary-from", path("texts.txt"), "--out", to, ...more];
  const { code, out, err } = await espalier(argv);
  expect({ code, err: err.replace(/^(shrink|columns:) .*\n/gm, "") }).toEqual({ code: 0, err: "" });
  return { to, out };
}

describe("espalier shrink", () => {
  test.each(["word-piece", "bpe", "slow"])(
    "%s: keeps tokens and logits bit for bit",
    async (name) => {
      const { to } = await shrunk(path(name));
      const before = await resultsOf(path(name), TEXTS);
      expect(await resultsOf(to, TEXTS)).toEqual(before);
      const [size, shrunkSize] = [path(name), to].map(
        (directory) => JSON.parse(readFileSync(join(directory, "config.json"), "utf8")).vocab_size,
      );
      expect(shrunkSize).toBeLessThan(size);
      const { tensors } = readSafetensorsOrThrow(
        new Uint8Array(readFileSync(join(to, "model.safetensors"))),
      );
      const [embeddings] = [...tensors].flatMap(([key, { shape }]) =>
        key.endsWith("word_embeddings.weight") ? [shape[0]] : [],
      );
      expect(embeddings).toBe(shrunkSize);
    },
  );

  test("reads a packed model as the model that it contains", async () => {
    for (const options of [[], ["--int8", "--dtype", "float16"]]) {
      const [packed, plain] = [target(), target()];
      await espalier(["pack", path("word-piece"), "--out", packed, ...options]);
      await espalier(["unpack", packed, "--out", plain]);
      const { to } = await shrunk(packed);
      const files = readdirSync(to).sort();
      expect(files).not.toContain("model.packed.safetensors");
      const expected = (await shrunk(plain)).to;
      expect(files).toEqual(readdirSync(expected).sort());
      for (const file of files)
        expect(readFileSync(join(to, file)).equals(readFileSync(join(expected, file)))).toBe(true);
    }
  });

  test("keeps the padding id of RoBERTa, on which positions depend", async () => {
    const { to } = await shrunk(path("bpe"), "--keep", "0");
    const config = JSON.parse(readFileSync(join(to, "config.json"), "utf8"));
    expect(config).toMatchObject({ pad_token_id: 1, bos_token_id: 0, eos_token_id: 2 });
  });

  test("states coverage, removed tokens and sizes", async () => {
    const { out, to } = await shrunk(path("word-piece"), "--check", path("rows.csv"));
    expect(out).toContain(`${path("word-piece")}: 32 of 32 channels in each feed-forward layer\n`);
    expect(out).toContain(`${path("word-piece")}: 24 of 26 tokens: 5 special, `);
    expect(out).toMatch(/texts\.txt +3\/3 +1\.0000 +19\/19 +1\.0000 +\d+ +\d+$/m);
    expect(out).toMatch(/rows\.csv +1\/2 +0\.5000 +4\/5 +0\.8000 +1 +2$/m);
    expect(out).toMatch(/^oak +0 +1 +unknown$/m);
    expect(out).toContain("1 (1 times) become unknown");
    expect(out).toMatch(/^bert\.embeddings\.word_embeddings\.weight +1664 +1536 +0\.9231$/m);
    expect(out).toMatch(/^vocab\.txt +\d+ +\d+ +0\.\d+$/m);
    expect(out.trimEnd().split("\n").at(-1)).toMatch(new RegExp(`^${to}: in [\\d.]+ s$`));
  });

  test("gives a document of JSON", async () => {
    const { out, to } = await shrunk(path("word-piece"), "--keep", "2", "--json");
    expect(JSON.parse(out)).toMatchObject({
      ...{ from: path("word-piece"), to },
      vocabulary: { tokens: 26, reasons: { special: 5, used: 2, passed: 0 } },
      vocabularyFiles: [{ path: path("texts.txt"), rows: 3, tokens: 19 }],
      checks: [],
      tensors: [{ name: "bert.embeddings.word_embeddings.weight", shape: [26, 16] }],
    });
    expect(JSON.parse(out).removed.length).toBeGreaterThan(0);
  });

  test("reads several files, columns and the form of a task", async () => {
    const more = ["--vocabulary-from", path("rows.csv"), "--text-column", "text"];
    const { out } = await shrunk(path("word-piece"), ...more);
    expect(out).toMatch(/rows\.csv +2\/2/);
    const sst2 = path("sst2.tsv");
    writeFileSync(sst2, "sentence\tlabel\nan oak\t1\n");
    const argv = ["shrink", path("word-piece"), "--vocabulary-from", sst2, "--task", "sst2"];
    const ran = await espalier([...argv, "--out", target()]);
    expect(ran.out).toMatch(/sst2\.tsv +1\/1 /);
  });

  test.each([
    ["sparse-bert", "intermediate_size"],
    ["sparse-distilbert", "hidden_dim"],
  ])("%s: removes zero channels, as many in each layer", async (name, key) => {
    const { to, out } = await shrunk(path(name), "--widths", "uniform");
    expect(out).toContain(`${path(name)}: 26 of 32 channels in each feed-forward layer\n`);
    expect(JSON.parse(readFileSync(join(to, "config.json"), "utf8"))[key]).toBe(26);
    expect(await resultsOf(to, TEXTS)).toEqual(await resultsOf(path(name), TEXTS));
    // Vectors have other channels side by side, so sums are rounded differently.
    const before = await resultsOf(path(name), TEXTS, "simd");
    const after = await resultsOf(to, TEXTS, "simd");
    const largest = Math.max(...before.logits.map(Math.abs));
    after.logits.forEach((logit, i) => {
      expect(Math.abs(logit - (before.logits[i] ?? 0))).toBeLessThan(1e-6 * largest);
    });
  });

  test.each([
    ["sparse-bert", [], [22, 26]],
    ["sparse-distilbert", [], [22, 26]],
    ["sparse-bert", ["--align", "4"], [24, 28]],
    ["sparse-bert", ["--multiple", "4"], [24, 28]],
    ["sparse-distilbert", ["--multiple", "3"], [24, 27]],
  ])("%s: removes zero channels of each layer", async (name, align, widths) => {
    const { to, out } = await shrunk(path(name), "--widths", "per-layer", ...align);
    expect(out).toContain(
      `${path(name)}: ${widths.join(", ")} of 32 channels in the feed-forward layers, which only Espalier reads\n`,
    );
    const config = JSON.parse(readFileSync(join(to, "config.json"), "utf8"));
    expect(config.espalier).toEqual({ intermediate_sizes: widths });
    const expected = await resultsOf(path(name), TEXTS);
    expect(await resultsOf(to, TEXTS)).toEqual(expected);
    const packedTo = target();
    expect((await espalier(["pack", to, "--out", packedTo])).code).toBe(0);
    expect(await resultsOf(packedTo, TEXTS)).toEqual(expected);
    const exported = await espalier(["export", to, "--out", `${target()}.onnx`]);
    expect(exported).toMatchObject({ code: 0 });
  });

  test.each(["headless-bert", "headless-distilbert", "headless-roberta"])(
    "%s: removes zero heads, as transformers states them",
    async (name) => {
      const { code, out, err } = await espalier([
        ...["shrink", path(name), "--heads", "remove", "--out", path(`${name}-out`)],
      ]);
      expect({ code, err: err.replace(/^shrink .*\n/gm, "") }).toEqual({ code: 0, err: "" });
      expect(out).toContain(`${path(name)}: 1, 3 of 4 heads in the layers\n`);
      const to = path(`${name}-out`);
      const config = JSON.parse(readFileSync(join(to, "config.json"), "utf8"));
      expect(config.pruned_heads).toEqual({ 0: [1, 2, 3], 1: [2] });
      const expected = await resultsOf(path(name), TEXTS);
      expect(await resultsOf(to, TEXTS)).toEqual(expected);
      const packedTo = target();
      expect((await espalier(["pack", to, "--out", packedTo])).code).toBe(0);
      expect(await resultsOf(packedTo, TEXTS)).toEqual(expected);
      expect((await espalier(["export", to, "--out", `${target()}.onnx`])).code).toBe(0);
      const before = await resultsOf(path(name), TEXTS, "simd");
      const largest = Math.max(...before.logits.map(Math.abs));
      (await resultsOf(to, TEXTS, "simd")).logits.forEach((logit, i) => {
        expect(Math.abs(logit - (before.logits[i] ?? 0))).toBeLessThan(1e-6 * largest);
      });
    },
  );

  test("removes further heads of a model that lacks some, beside channels and tokens", async () => {
    const first = target();
    const argv = ["shrink", path("headless-bert"), "--heads", "remove", "--out", first];
    expect((await espalier(argv)).code).toBe(0);
    const file = join(first, "model.safetensors");
    const { tensors } = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
    const changed = new Map(tensors);
    for (const [name, { shape, bytes, dtype }] of tensors) {
      const [, columns = 0] = shape;
      // The last of the three heads 0, 1 and 3 of the second layer.
      if (!/layer\.1\.attention\.output\.dense\.weight$/.test(name)) continue;
      const copy = bytes.slice();
      for (let at = 0; at < bytes.length; at += 4 * columns)
        copy.fill(0, at + 4 * (columns - 4), at + 4 * columns);
      changed.set(name, { shape, dtype, bytes: copy });
    }
    writeFileSync(file, writeSafetensors(changed));
    const { to } = await shrunk(first, "--heads", "remove", "--widths", "per-layer");
    const config = JSON.parse(readFileSync(join(to, "config.json"), "utf8"));
    expect(config.pruned_heads).toEqual({ 0: [1, 2, 3], 1: [2, 3] });
    expect(await resultsOf(to, TEXTS)).toEqual(await resultsOf(first, TEXTS));
  });

  test("trains a model with a width for each layer, and keeps them", async () => {
    const { to } = await shrunk(path("sparse-bert"), "--widths", "per-layer", "--align", "4");
    const rows = path("training.csv");
    const texts = ["an oak", "the trees", "a wall", "trees grow"];
    const lines = Array.from({ length: 192 }, (_, i) => `${i % 2},${texts[i % 4]}\n`);
    writeFileSync(rows, `label,text\n${lines.join("")}`);
    const out = target();
    const argv = ["finetune", "--train-file", rows, "--validation-file", rows, "--model", to];
    const ran = await espalier([...argv, "--out", out, "--num-train-epochs", "1"]);
    expect(ran).toMatchObject({ code: 0 });
    const config = JSON.parse(readFileSync(join(out, "sparse", "config.json"), "utf8"));
    expect(config.espalier).toEqual({ intermediate_sizes: [24, 28] });
  });

  test("removes channels alone, or tokens alone", async () => {
    const to = target();
    const { code, out } = await espalier([
      "shrink",
      path("sparse-bert"),
      "--widths",
      "uniform",
      "--out",
      to,
    ]);
    expect(code).toBe(0);
    expect(out).not.toContain("tokens");
    const vocabulary = (directory: string) => readFileSync(join(directory, "vocab.txt"), "utf8");
    expect(vocabulary(to)).toBe(vocabulary(path("sparse-bert")));
    const kept = await shrunk(path("sparse-bert"), "--json");
    expect(JSON.parse(kept.out)).toMatchObject({
      widths: { channels: 32, shrunkChannels: 32, layers: [32, 32] },
      tensors: [{ name: "bert.embeddings.word_embeddings.weight" }],
    });
  });

  test("writes shards as one file, and copies other files", async () => {
    const weights = readFileSync(path("word-piece", "model.safetensors"));
    writeShards(path("sharded"), readSafetensorsOrThrow(new Uint8Array(weights)).tensors);
    const others = ["config.json", "tokenizer.json", "vocab.txt"];
    for (const file of others) cpSync(path("word-piece", file), path("sharded", file));
    writeFileSync(path("sharded", "README.md"), "about");
    mkdirSync(path("sharded", "1_Pooling"));
    writeFileSync(path("sharded", "model.onnx"), "other weights");
    const { to, out } = await shrunk(path("sharded"));
    expect(readdirSync(to).sort()).toEqual([
      ...["1_Pooling", "README.md", ...others, "model.safetensors"].sort(),
    ]);
    expect(out).toContain("not copied: model.onnx");
    const expected = await resultsOf(path("word-piece"), TEXTS);
    expect((await resultsOf(to, TEXTS)).logits).toEqual(expected.logits);
  });
});

describe("espalier shrink refuses", () => {
  const refusal = async (...argv: string[]): Promise<string> => {
    const to = target();
    const { code, out, err } = await espalier(["shrink", ...argv, "--out", to]);
    expect({ code, out, exists: existsSync(to) }).toEqual({ code: 2, out: "", exists: false });
    return err.replaceAll(root, "");
  };
  const texts = (): string[] => ["--vocabulary-from", path("texts.txt")];

  test("a Unigram vocabulary by name", async () => {
    mkdirSync(path("unigram"));
    cpSync(path("slow", "model.safetensors"), path("unigram", "model.safetensors"));
    const vocab = [["<unk>", 0]];
    const json = { model: { type: "Unigram", vocab, unk_id: 0 } };
    writeFileSync(path("unigram", "tokenizer.json"), JSON.stringify(json));
    writeFileSync(path("unigram", "config.json"), '{"model_type": "xlm-roberta", "vocab_size": 9}');
    writeFileSync(path("unigram", "sentencepiece.bpe.model"), "");
    expect(await refusal(path("unigram"), ...texts())).toBe(
      "/unigram/tokenizer.json.model.type: expected WordPiece or byte-level BPE, got Unigram\n" +
        "/unigram/sentencepiece.bpe.model: expected no vocabulary in this form, got a file\n",
    );
  });

  test("to copy a model that has nothing to remove, and options that need texts", async () => {
    const nothing = "expected --vocabulary-from, --widths or --heads, got none\n";
    expect(await refusal(path("sparse-bert"))).toBe(`/sparse-bert: ${nothing}`);
    expect(await refusal(path("slow"), "--widths", "uniform")).toBe(
      "/slow: expected zero channels in each feed-forward layer, got none\n",
    );
    const more = ["--widths", "per-layer", "--align", "16", "--heads", "remove"];
    expect(await refusal(path("slow"), ...more)).toBe(
      "/slow: expected 16 zero channels side by side in a feed-forward layer or a zero head beside others, got none\n",
    );
    expect(await refusal(path("sparse-bert"), "--keep", "3", "--text-column", "text")).toBe(
      "--keep: expected --vocabulary-from beside it, got none\n" +
        "--text-column: expected --vocabulary-from beside it, got none\n",
    );
  });

  test("uniform widths of a model with a width for each layer, and groups of channels that stay", async () => {
    const { to } = await shrunk(path("sparse-bert"), "--widths", "per-layer");
    expect(await refusal(to, "--widths", "uniform")).toMatch(
      /: expected --widths per-layer for a model whose layers have different widths, got uniform\n$/,
    );
    expect(await refusal(to, "--widths", "per-layer")).toMatch(/, got none\n$/);
    expect(await refusal(path("sparse-bert"), "--align", "4", ...texts())).toBe(
      "--align: expected --widths uniform or per-layer beside it, got none\n",
    );
    expect(await refusal(path("sparse-bert"), "--align", "2", "--multiple", "2")).toBe(
      "--align: expected --widths uniform or per-layer beside it, got none\n" +
        "--multiple: expected --widths uniform or per-layer beside it, got none\n",
    );
    const both = ["--widths", "uniform", "--align", "2", "--multiple", "2"];
    expect(await refusal(path("sparse-bert"), ...both)).toBe(
      "--multiple: expected no --align beside it, got both\n",
    );
    expect(await refusal(path("sparse-bert"), "--align", "0", "--widths", "uniform")).toMatch(
      /^--align: expected an integer at least 1, got "0"\n$/,
    );
  });

  test("widths if a feed-forward layer has other tensors, also beside texts", async () => {
    const other = path("other-names");
    cpSync(path("sparse-bert"), other, { recursive: true });
    const weights = new Uint8Array(readFileSync(join(other, "model.safetensors")));
    const renamed = [...readSafetensorsOrThrow(weights).tensors].map(
      ([name, tensor]) => [name.replace(/(1\.output\.dense\.weight)$/, "$1_orig"), tensor] as const,
    );
    writeFileSync(join(other, "model.safetensors"), writeSafetensors(new Map(renamed)));
    const message =
      "/other-names: expected float tensors in the shapes of config.json for each feed-forward layer, none of them shared, got others\n";
    expect(await refusal(other, "--widths", "uniform")).toBe(message);
    expect(await refusal(other, "--widths", "uniform", ...texts())).toBe(message);
  });

  test("files that contradict each other", async () => {
    cpSync(path("word-piece"), path("altered"), { recursive: true });
    const vocabulary = readFileSync(path("altered", "vocab.txt"), "utf8");
    writeFileSync(path("altered", "vocab.txt"), vocabulary.replace("oak", "ash"));
    expect(await refusal(path("altered"), ...texts())).toContain(
      '/altered/vocab.txt: "ash": expected the id that the token has in the tokenizer\'s other files',
    );
  });

  test("a vocabulary with more tokens than rows, and another model", async () => {
    cpSync(path("slow"), path("small"), { recursive: true });
    const config = JSON.parse(readFileSync(path("slow", "config.json"), "utf8"));
    writeFileSync(path("small", "config.json"), JSON.stringify({ ...config, vocab_size: 3 }));
    expect(await refusal(path("small"), ...texts())).toBe(
      "/small/vocab.txt: expected at most 3 tokens, the vocab_size of config.json, got 21\n",
    );
    writeFileSync(path("small", "config.json"), '{"model_type": "gpt2"}');
    expect(await refusal(path("small"), ...texts())).toMatch(
      /^\/small\/config\.json: model_type: /,
    );
  });

  test("columns beside a task, and bad rows", async () => {
    const columns = ["--task", "sst2", "--text-column", "text"];
    expect(await refusal(path("slow"), ...texts(), ...columns)).toBe(
      "--text-column: expected no --task beside it, got both\n",
    );
    writeFileSync(path("bad.csv"), "text,label\nthe tree\n");
    expect(await refusal(path("slow"), "--vocabulary-from", path("bad.csv"))).toMatch(/bad\.csv:2/);
    expect(await refusal(path("slow"), ...texts(), "--check", path("none.csv"))).toMatch(
      /^--check: expected a file, got \/none\.csv/,
    );
  });
});
