import { expect, test } from "vitest";
import { getOrThrow } from "../../src/core/either.ts";
import { createTokenizer } from "../../src/io/tokenizer.ts";
import { readModelDirectory, saveModelDirectory } from "../../src/run/model-directory.ts";
import { CONFIG, VOCABULARY } from "../cli/fixtures.ts";
import { memoryStorage } from "./memory-storage.ts";

test("packed weights beside plain ones are not read", async () => {
  const memory = memoryStorage();
  const tensors = new Map([["classifier.bias", { shape: [2], data: Float32Array.of(1, 2) }]]);
  const tokenizer = createTokenizer(VOCABULARY);
  await saveModelDirectory(memory, "model", { config: CONFIG, tensors, tokenizer });
  await memory.write("model/model.packed.safetensors", "");
  const read = async (path: string): Promise<Uint8Array> => {
    if (path.includes("packed")) throw new Error(`${path}: expected not to be read`);
    return memory.read(path);
  };
  const model = getOrThrow(await readModelDirectory({ ...memory, read }, "model", "model"));
  expect(model.tensors.get("classifier.bias")?.data).toEqual(Float32Array.of(1, 2));
});
