/** The path forms of classifiers take names of models in the Hugging Face cache. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { fineTuneClassifier, loadClassifier } from "../../src/node/classifier.ts";
import { cacheModel, temporaryDirectory, writeModel } from "../cli/fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const ROWS = ["tree", "wall", "tree", "wall"].map((text) => ({ text, label: text }));

beforeAll(async () => {
  vi.stubEnv("HF_HUB_CACHE", path("hub"));
  await writeModel(path("plain"));
  cacheModel(path("hub"), "org/name", path("plain"));
  cacheModel(path("hub"), "teacher", path("plain"));
});
afterAll(() => vi.unstubAllEnvs());

test("loadClassifier", async () => {
  const logits = async (model: string) => {
    const classifier = await loadClassifier(model, { variant: "scalar", threads: 1 });
    const found = await classifier.classify(["the tree", "a wall"]);
    classifier.dispose();
    return found.map((each) => each.logits);
  };
  expect(await logits("org/name")).toEqual(await logits(path("plain")));
  await expect(loadClassifier("org/other")).rejects.toThrow(
    "model: expected a directory, or a model in the Hugging Face cache, got org/other",
  );
});

test("fineTuneClassifier", async () => {
  const start = async (model: string, teacher: string) => {
    const options = { rows: ROWS, model, teacher, threads: 1, validationSplit: 0.5 } as const;
    for await (const event of fineTuneClassifier(options)) return event;
    return undefined;
  };
  expect(await start("org/name", "teacher")).toMatchObject({ type: "start" });
  await expect(start("org/other", "none")).rejects.toThrow(
    /^`model`: .* hf download org\/other\n`teacher`: .* hf download none$/,
  );
});
