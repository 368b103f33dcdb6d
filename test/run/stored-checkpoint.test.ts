import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { findWeights, openStoredCheckpoint } from "../../src/run/stored-checkpoint.ts";
import { memoryStorage } from "./memory-storage.ts";

const weight = tensorFromFloat32("F32", [2], Float32Array.of(1, 2));
const plain = writeSafetensors(new Map([["a", weight]]));
const torch = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../io/torch/${name}`, import.meta.url)));

async function problemsOf(storage: ReturnType<typeof memoryStorage>): Promise<readonly string[]> {
  const opened = await openStoredCheckpoint(storage, "model");
  return isLeft(opened) ? opened.left.map(formatProblem) : [];
}

test("the weights are the first of the usual files", async () => {
  const storage = memoryStorage();
  const order = [
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "model.packed.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
  ];
  for (const name of order) {
    await storage.write(`model/${name}`, "");
    expect(getOrThrow(await findWeights(storage, "model/"))).toBe(`model/${name}`);
  }
  expect(isLeft(await findWeights(storage, "other"))).toBe(true);
});

test("a single file, and files with an index, have their tensors", async () => {
  const storage = memoryStorage();
  await storage.write("model/model.safetensors", plain);
  const file = getOrThrow(await openStoredCheckpoint(storage, "model"));
  expect(file.entries.map((entry) => [entry.name, file.read(entry)])).toEqual([["a", weight]]);

  const sharded = memoryStorage();
  const files = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
  for (const name of [...files, "pytorch_model.bin.index.json"])
    await sharded.write(`model/${name}`, torch(`sharded/${name}`));
  const checkpoint = getOrThrow(await openStoredCheckpoint(sharded, "model"));
  expect(checkpoint).toMatchObject({ layout: "torch", path: "model/pytorch_model.bin.index.json" });
  expect(new Set(checkpoint.entries.map((entry) => entry.file))).toEqual(new Set(files));
  for (const entry of checkpoint.entries)
    expect(checkpoint.read(entry).bytes).toHaveLength(entry.end - entry.begin);
});

test("a wrong index, an absent file and a damaged one are named", async () => {
  const storage = memoryStorage();
  const index = "model/model.safetensors.index.json";
  await storage.write(index, "{}");
  expect(await problemsOf(storage)).toEqual([
    `${index}: weight_map: expected an object of file names, got undefined`,
  ]);
  await storage.write(index, '{"weight_map": {"a": "1.safetensors"}}');
  expect(await problemsOf(storage)).toEqual(["model/1.safetensors: expected a file, got none"]);
  await storage.write("model/1.safetensors", plain.slice(0, -1));
  expect(await problemsOf(storage)).toEqual([expect.stringMatching(/^model\/1\.safetensors: /)]);
});
