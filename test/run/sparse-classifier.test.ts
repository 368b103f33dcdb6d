import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSafetensorsOrThrow } from "../../src/io/safetensors.ts";
import { loadStoredClassifier } from "../../src/run/classifier.ts";
import { openClassifier } from "../../src/run/sparse-classifier.ts";
import { temporaryDirectory, writeModel } from "../cli/fixtures.ts";
import { writeTorch } from "../io/torch-writer.ts";
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
