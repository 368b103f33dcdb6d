/** The small runtime beside `espalier/classifier`, on the same kernel variant. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { pruneSafetensors } from "../../src/checkpoint/prune-safetensors.ts";
import { getOrThrow } from "../../src/core/either.ts";
import { availableVariants } from "../../src/kernels/backend.ts";
import { fastestVariant } from "../../src/kernels/simd/features.ts";
import { buildModule } from "../../src/kernels/wasm/module.ts";
import { loadClassifier as loadInFull } from "../../src/run/classifier.ts";
import type { ClassifierFile } from "../../src/run/given-files.ts";
import { loadClassifier } from "../../src/run/runtime.ts";
import { writeModelFile } from "../../src/run/written-model-file.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";
import { labelledRows } from "./classifier-files.ts";
import { saveFastModel, TOKEN_IDS, TOKENIZER, WIDE } from "./fast-model.ts";

const root = temporaryDirectory();
const TEXTS = labelledRows(9).map(({ text }) => text);

const encoder = new TextEncoder();
const kernels = new Uint8Array(buildModule("simd", "own", "inference"));

type Files = readonly ClassifierFile<Uint8Array>[];

function filesOf(name: string): Files {
  return readdirSync(join(root, name)).map((file) => {
    return { name: file, bytes: new Uint8Array(readFileSync(join(root, name, file))) };
  });
}

function save(name: string, files: Files): void {
  mkdirSync(join(root, name));
  for (const file of files) writeFileSync(join(root, name, file.name), file.bytes);
}

/** Packed models in eight bits, and the patterns to which they are pruned. */
const INT8: ReadonlyMap<string, string | undefined> = new Map([
  ["8-bit", undefined],
  ["8-bit 4x1", "4x1"],
  ["8-bit 8x1", "8x1"],
  ["8-bit 16x1", "16x1"],
  ["8-bit 1x4", "1x4"],
]);

/** The one file of a model. */
function modelFile(files: Files): Uint8Array {
  const isWeights = ({ name }: ClassifierFile): boolean => name.endsWith(".safetensors");
  const weights = files.find(isWeights)?.bytes ?? new Uint8Array();
  const others = files.filter((file) => !isWeights(file)).map((file) => [file.name, file.bytes]);
  return getOrThrow(writeModelFile("model", weights, new Map(others as [string, Uint8Array][])));
}

async function prune(from: string, to: string, pattern: string): Promise<void> {
  const pruned = filesOf(from).map(async (file) => {
    if (file.name !== "model.safetensors") return file;
    return {
      ...file,
      bytes: (await pruneSafetensors(file.bytes, { pattern, sparsity: 0.9 })).bytes,
    };
  });
  save(to, await Promise.all(pruned));
}

async function pack(from: string, to: string, ...options: readonly string[]): Promise<void> {
  const { code, err } = await espalier([
    ...["pack", join(root, from), "--out", join(root, to), ...options],
  ]);
  expect({ code, err }).toMatchObject({ code: 0 });
}

beforeAll(async () => {
  await saveFastModel(join(root, "dense"));
  await prune("dense", "pruned", "4x1");
  await pack("pruned", "packed");
  await saveFastModel(join(root, "wide"), WIDE);
  for (const [name, pattern] of INT8) {
    if (pattern !== undefined) await prune("wide", `wide ${pattern}`, pattern);
    const from = pattern === undefined ? "wide" : `wide ${pattern}`;
    await pack(from, name, "--int8", ...(pattern === "1x4" ? ["--embedding-bits", "6"] : []));
  }
});

describe.each(["dense", "pruned", "packed", ...INT8.keys()])("a %s model", (name) => {
  test("gives the results of espalier/classifier, bit for bit", async () => {
    const files = filesOf(name);
    const expected = await loadInFull(files, { variant: "simd" });
    const results = await expected.classify(TEXTS);
    const one = modelFile(files);
    for (const model of [files, one, new Blob([one.slice()]), Promise.resolve(one)]) {
      const classifier = await loadClassifier(model, { kernels });
      expect(classifier).toMatchObject({ labels: ["no", "yes"], variant: "simd", notices: [] });
      expect(await classifier.classify(TEXTS)).toEqual(results);
      expect(await classifier.classify([{ text: "a tree", textPair: "the wall" }])).toEqual(
        await expected.classify([{ text: "a tree", textPair: "the wall" }]),
      );
      classifier.dispose();
      await expect(classifier.classify(TEXTS)).rejects.toThrow(/got a disposed one/);
    }
  });
});

test.each([...INT8.keys()])("computes the layers of a %s model with bytes", async (name) => {
  const results = await Promise.all(
    [name, name.replace("8-bit", "wide").trim()].map(async (each) =>
      (await loadClassifier(filesOf(each), { kernels })).classify(TEXTS),
    ),
  );
  const [bytes, floats] = results.map((texts) => texts.flatMap(({ logits }) => [...logits]));
  const errors = floats.map((logit, i) => Math.abs(logit - (bytes[i] ?? NaN)));
  expect(Math.max(...errors)).toBeLessThan(0.05);
  expect(Math.max(...errors)).toBeGreaterThan(0);
});

/** Tokenizers with parts that BERT's do not have, over the same ids. */
const OTHERS: Readonly<Record<string, object>> = {
  Unigram: {
    normalizer: { type: "Sequence", normalizers: [{ type: "NFKC" }, { type: "Lowercase" }] },
    pre_tokenizer: { type: "Whitespace" },
    model: {
      type: "Unigram",
      vocab: Object.entries(TOKEN_IDS).map(([token, id]) => [token, -id]),
      unk_id: 1,
    },
  },
  BPE: {
    pre_tokenizer: {
      type: "Split",
      pattern: { Regex: "\\s+" },
      behavior: "Removed",
      invert: false,
    },
    model: { type: "BPE", vocab: TOKEN_IDS, merges: [], unk_token: "[UNK]" },
  },
};

test.each(Object.keys(OTHERS))("reads a tokenizer of %s", async (name) => {
  const bytes = encoder.encode(JSON.stringify({ ...TOKENIZER, ...OTHERS[name] }));
  const files = filesOf("dense").map((file) =>
    file.name === "tokenizer.json" ? { ...file, bytes } : file,
  );
  const texts = [...TEXTS, "the treea"];
  const expected = await loadInFull(files, { variant: "simd" });
  const results = await (await loadClassifier(files, { kernels })).classify(texts);
  expect(results).toEqual(await expected.classify(texts));
  const plain = await (await loadClassifier(filesOf("dense"), { kernels })).classify(texts);
  expect(results.map(({ logits }) => logits)).not.toEqual(plain.map(({ logits }) => logits));
});

test("takes kernels as a module, bytes, a response or a blob", async () => {
  const files = filesOf("dense");
  const response = (): Response => new Response(kernels.slice());
  for (const given of [
    new WebAssembly.Module(kernels),
    Promise.resolve(kernels),
    response(),
    Promise.resolve(response()),
    new Blob([kernels.slice()]),
    new URL(`data:application/wasm;base64,${Buffer.from(kernels).toString("base64")}`),
  ])
    expect((await loadClassifier(files, { kernels: given })).variant).toBe("simd");
});

test("takes other sizes of batches and texts, and a threshold", async () => {
  const files = filesOf("dense");
  const whole = await loadInFull(files, { variant: "simd", maxLength: 4 });
  const small = await loadClassifier(files, { kernels, maxLength: 4, batchSize: 2 });
  expect(await small.classify(TEXTS)).toEqual(await whole.classify(TEXTS));
  await expect(loadClassifier(files, { kernels, threshold: 0.5 })).rejects.toThrow(/threshold/);
});

test("refuses what it cannot load, by name", async () => {
  const files = filesOf("dense");
  const without = (name: string): Files => files.filter((file) => file.name !== name);
  const load = (model: unknown, options: object = { kernels }) =>
    loadClassifier(model as Files, options as { kernels: object });
  await expect(load(without("tokenizer.json"))).rejects.toThrow(/model\/tokenizer.json: expected/);
  await expect(load(without("config.json"))).rejects.toThrow(/model\/config.json: expected/);
  await expect(load(without("model.safetensors"))).rejects.toThrow(
    /model: expected model.safetensors or model.packed.safetensors, got neither/,
  );
  await expect(load(encoder.encode("<html>"))).rejects.toThrow(/model: expected.*HTML/s);
  await expect(load(3)).rejects.toThrow(/^model: expected a Uint8Array, a Blob, a Response/);
  await expect(load(files, {})).rejects.toThrow(/^kernels: expected/);
  await expect(load(files, { kernels, seed: 1 })).rejects.toThrow(/^options.seed: expected/);
  await expect(load(files, { kernels: new Uint8Array(9) })).rejects.toThrow(
    /^kernels: expected a module that may be compiled here, got CompileError/,
  );
  const missing = new Response("", { status: 404 });
  await expect(load(files, { kernels: missing })).rejects.toThrow(
    /^kernels: expected a file, got the status 404/,
  );
  const bytes = encoder.encode(JSON.stringify({ ...TOKENIZER, normalizer: { type: "Else" } }));
  await expect(
    load([...without("tokenizer.json"), { name: "tokenizer.json", bytes }]),
  ).rejects.toThrow(/tokenizer.json.normalizer.type: expected one of BertNormalizer, .*NFKC/);
});

test("names the fastest variant", () => {
  expect(fastestVariant()).toBe(availableVariants()[0]);
});
