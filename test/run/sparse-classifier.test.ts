import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensorsOrThrow } from "../../src/io/safetensors.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { nodeStorage } from "../../src/node/storage.ts";
import { loadStoredClassifier } from "../../src/run/classifier.ts";
import { openClassifier } from "../../src/run/sparse-classifier.ts";
import { typicalCosts } from "../../src/sparse/typical-costs.ts";
import { CONFIG, espalier, temporaryDirectory, writeModel } from "../cli/fixtures.ts";
import { writeTorch } from "../io/torch-writer.ts";
import { saveSmallModel } from "./small-model.ts";
import { countingStorage, MISFITS, saveLargeModel } from "./unread-weights.ts";

const root = temporaryDirectory();

test.each(Object.entries(MISFITS))(
  "a model %s is refused unread",
  async (name, { save, problem }) => {
    const directory = save(join(root, name.replaceAll(" ", "-")));
    const { storage, reads } = countingStorage();
    const expected = `${directory}/${problem}`;
    await expect(openClassifier(storage, directory, undefined)).rejects.toThrow(expected);
    const start = () => Promise.reject(new Error("a backend was started"));
    await expect(loadStoredClassifier(storage, directory, {}, start)).rejects.toThrow(expected);
    expect(reads()).toBe(0);
  },
);

test("so is a .bin file without a tensor", async () => {
  const directory = await writeModel(join(root, "torch"));
  const file = join(directory, "model.safetensors");
  const { tensors } = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
  rmSync(file);
  const kept = [...tensors].filter(([name]) => name !== "classifier.bias");
  writeFileSync(join(directory, "pytorch_model.bin"), writeTorch(new Map(kept)));
  const { storage, reads } = countingStorage();
  await expect(openClassifier(storage, directory, undefined)).rejects.toThrow(
    "pytorch_model.bin: expected all 25 tensors of a bert classifier, got 24; missing: classifier.bias",
  );
  expect(reads()).toBe(0);
});

test("a model that fits is opened unread", async () => {
  const { storage, reads } = countingStorage();
  const open = await openClassifier(storage, saveLargeModel(join(root, "fits")), undefined);
  open.close();
  expect(reads()).toBe(0);
});

test("weights that are packed in eight bits are computed with bytes", async () => {
  const directory = join(root, "plain");
  await saveSmallModel(nodeStorage, directory, { ...CONFIG, hidden_size: 64 });
  const packed = join(root, "int8");
  expect((await espalier(["pack", directory, "--int8", "--out", packed])).code).toBe(0);
  const backend = createBackend({ variant: "scalar" });
  const inputIds = Int32Array.of(2, 6, 7, 3);
  const ones = new Uint8Array(4).fill(1);
  const batch = { batch: 1, positions: 4, inputIds, tokenTypeIds: new Int32Array(4) };
  const logitsOf = async (from: string, executions: "auto" | "floats") => {
    const open = await openClassifier(nodeStorage, from, undefined);
    const classifier = open.create(backend, { executions, costs: typicalCosts("scalar") });
    open.close();
    const logits = classifier.logits({ ...batch, attentionMask: ones });
    const { layers, bytes } = classifier;
    classifier.release();
    return { logits, bytes, kinds: layers.map(({ execution }) => execution.kind) };
  };
  const plain = await logitsOf(directory, "auto");
  const int8 = await logitsOf(packed, "auto");
  const floats = await logitsOf(packed, "floats");
  expect(int8.kinds.filter((kind) => kind === "int8").length).toBeGreaterThan(3);
  expect(floats.kinds).not.toContain("int8");
  expect(int8.bytes).toBeLessThan(floats.bytes);
  for (const { logits } of [int8, floats])
    logits.forEach((logit, i) => {
      expect(Math.abs(logit - (plain.logits[i] ?? NaN))).toBeLessThan(0.02);
    });
});
