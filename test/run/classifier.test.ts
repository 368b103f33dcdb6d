/** Classifiers from files in memory, beside the command. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { pruneSafetensors } from "../../src/checkpoint/prune-safetensors.ts";
import { InputError } from "../../src/core/either.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { loadClassifier as loadPath } from "../../src/node/classifier.ts";
import { loadClassifier, loadStoredClassifier } from "../../src/run/classifier.ts";
import { type ClassifierFile, filesIn } from "../../src/run/given-files.ts";
import { createMemoryStorage } from "../../src/run/memory-storage.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";
import { labelledRows, modelFiles } from "./classifier-files.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const TEXTS = labelledRows(9).map(({ text }) => text);
const LABELS = { id2label: { 0: "no", 1: "yes" }, label2id: { no: 0, yes: 1 } };

function save(name: string, files: readonly ClassifierFile<Uint8Array>[]): void {
  mkdirSync(path(name));
  for (const file of files) writeFileSync(path(name, file.name), file.bytes);
}

function filesOf(name: string): readonly ClassifierFile<Uint8Array>[] {
  return readdirSync(path(name)).map((file) => {
    return { name: file, bytes: new Uint8Array(readFileSync(path(name, file))) };
  });
}

/** The logits that the command prints. */
async function logitsOf(model: string, text: string): Promise<readonly number[]> {
  const argv = ["classify", path(model), "--text", text, "--json", "--variant", "scalar"];
  const { out } = await espalier([...argv, "--layers", "dense"]);
  return JSON.parse(out.split("\n")[0] ?? "").logits;
}

beforeAll(async () => {
  const dense = await modelFiles(LABELS);
  save("dense", dense);
  const pruned = dense.map(async ({ name, bytes }) => {
    if (name !== "model.safetensors") return { name, bytes };
    const options = { pattern: "4x1", sparsity: 0.9 };
    return { name, bytes: (await pruneSafetensors(bytes, options)).bytes };
  });
  save("pruned", await Promise.all(pruned));
  const { code, err } = await espalier(["pack", path("pruned"), "--out", path("packed")]);
  expect({ code, err }).toMatchObject({ code: 0 });
});

describe.each(["dense", "pruned", "packed"])("a %s model", (name) => {
  test("gives the logits of the command, from files, blobs and a path", async () => {
    const expected = await Promise.all(TEXTS.map((text) => logitsOf(name, text)));
    const options = { variant: "scalar", layers: "dense" } as const;
    const files = filesOf(name);
    const blobs = files.map((file) => ({ name: file.name, bytes: new Blob([file.bytes.slice()]) }));
    for (const classifier of [
      await loadClassifier(files, options),
      await loadClassifier(blobs, options),
      await loadPath(path(name), options),
    ]) {
      expect(classifier).toMatchObject({ labels: ["no", "yes"], variant: "scalar", notices: [] });
      const found = await classifier.classify(TEXTS);
      expect(found.map(({ logits }) => logits)).toEqual(expected);
      classifier.dispose();
    }
  });

  test("is computed by the same executions on every machine", async () => {
    const load = () => loadClassifier(filesOf(name), { variant: "simd" });
    const [first, second] = [await load(), await load()];
    const found = await first.classify(TEXTS);
    expect(await second.classify(TEXTS)).toEqual(found);
    const scalar = await loadClassifier(filesOf(name), { variant: "scalar", layers: "dense" });
    const plain = await scalar.classify(TEXTS);
    found.forEach(({ logits, label, labels, probabilities }, i) => {
      logits.forEach((logit, j) => {
        expect(Math.abs(logit - (plain[i]?.logits[j] ?? 0))).toBeLessThan(1e-5);
      });
      expect(labels).toEqual([label]);
      expect(label).toBe((logits[0] ?? 0) >= (logits[1] ?? 0) ? "no" : "yes");
      expect(Math.abs((probabilities[0] ?? 0) + (probabilities[1] ?? 0) - 1)).toBeLessThan(1e-6);
    });
    for (const one of [first, second, scalar]) one.dispose();
  });
});

test("kinds of problems have their own answers", async () => {
  const answer = async (config: object, options = {}) => {
    const classifier = await loadClassifier(await modelFiles(config), {
      variant: "scalar",
      ...options,
    });
    const [found] = await classifier.classify([{ text: "the old tree", textPair: "a wall" }]);
    classifier.dispose();
    return { problemType: classifier.problemType, ...found };
  };
  const several = { ...LABELS, problem_type: "multi_label_classification" };
  expect(await answer(several, { threshold: 0 })).toMatchObject({
    problemType: "multi_label_classification",
    label: null,
    labels: ["no", "yes"],
  });
  expect(await answer({ num_labels: 1, problem_type: "regression" })).toMatchObject({
    problemType: "regression",
    label: null,
    labels: [],
    probabilities: [],
    logits: [expect.any(Number)],
  });
});

describe("what does not fit", () => {
  test("is refused with all problems, before a backend starts", async () => {
    const files = filesOf("dense").filter(({ name }) => name !== "vocab.txt");
    const broken = files.map(({ name, bytes }) => {
      return { name, bytes: name === "config.json" ? bytes.slice(1) : bytes };
    });
    const storage = createMemoryStorage(new Map(await filesIn("model", broken)));
    const start = () => Promise.reject(new Error("a backend was started"));
    const error: unknown = await loadStoredClassifier(storage, "model", {}, start).catch((e) => e);
    if (!(error instanceof InputError)) throw new Error(String(error));
    expect(error.problems.map((problem) => problem.path)).toEqual(
      expect.arrayContaining([
        expect.stringContaining("config.json"),
        expect.stringContaining("model"),
      ]),
    );
    expect(error.problems.length).toBeGreaterThanOrEqual(2);
    const long = loadClassifier(filesOf("dense"), { maxLength: 64 });
    await expect(long).rejects.toThrow("`maxLength`: expected at most the model's 32, got 64");
  });

  test("arguments, pairs and a disposed classifier", async () => {
    await expect(loadClassifier([], { threads: 2 })).rejects.toThrow("startThread");
    await expect(loadClassifier([{ name: "a", bytes: "text" as never }])).rejects.toThrow(
      "files[0].bytes: expected a Uint8Array or a Blob",
    );
    const classifier = await loadClassifier(await modelFiles({ type_vocab_size: 1 }));
    await expect(classifier.classify([{ text: "a", textPair: "b" }])).rejects.toThrow(InputError);
    await expect(classifier.classify("text" as never)).rejects.toThrow(TypeError);
    expect(await classifier.classify([])).toEqual([]);
    classifier.dispose();
    classifier.dispose();
    await expect(classifier.classify(["a"])).rejects.toThrow("got a disposed one");
  });

  test("and `dispose` leaves no memory behind", async () => {
    const backend = createBackend({ variant: "scalar" });
    const storage = createMemoryStorage(new Map(await filesIn("m", filesOf("pruned"))));
    const start = async () => ({ ...backend, threads: 1, stop: () => undefined });
    const classifier = await loadStoredClassifier(storage, "m", {}, start);
    await classifier.classify(TEXTS);
    expect(backend.memory.usage().used).toBeGreaterThan(0);
    classifier.dispose();
    expect(backend.memory.usage().used).toBe(0);
  });
});
