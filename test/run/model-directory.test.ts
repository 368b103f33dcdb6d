import { describe, expect, test } from "vitest";
import { writePacked } from "../../src/checkpoint/pack.ts";
import { formatProblem, getOrThrow, isLeft, right } from "../../src/core/either.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { openModelDirectory, readModelDirectory } from "../../src/run/model-directory.ts";
import { openStoredCheckpoint } from "../../src/run/stored-checkpoint.ts";
import { memorySink, openBytes } from "../checkpoint/memory.ts";
import { CONFIG } from "../cli/fixtures.ts";
import { writeTorch } from "../io/torch-writer.ts";
import { type MemoryStorage, memoryStorage } from "./memory-storage.ts";
import { saveSmallModel } from "./small-model.ts";

const DISTILLED = {
  model_type: "distilbert",
  vocab_size: CONFIG.vocab_size,
  dim: 8,
  n_layers: 1,
  n_heads: 2,
  hidden_dim: 16,
  max_position_embeddings: 32,
};

type Weights = ReadonlyMap<string, StoredTensor>;

/** A storage with a model in `model`, and its weights. */
async function modelStorage(config: object = CONFIG) {
  const storage = memoryStorage();
  const tensors = await saveSmallModel(storage, "model", config);
  const weights = readSafetensorsOrThrow(await storage.read("model/model.safetensors")).tensors;
  return { storage, tensors, weights };
}

type Form = (weights: Weights) => Readonly<Record<string, Uint8Array | string>>;

/** Two files with an index, whose name ends as the files do. */
function sharded(extension: string, write: (weights: Weights) => Uint8Array): Form {
  return (weights) => {
    const all = [...weights];
    const name = extension === "bin" ? "pytorch_model" : "model";
    const fileOf = (i: number): string => `${name}-0000${i < 9 ? 1 : 2}-of-00002.${extension}`;
    const files = [fileOf(0), fileOf(9)].map((file) => {
      const own = all.filter((_, i) => fileOf(i) === file);
      return [file, write(new Map(own))] as const;
    });
    const weight_map = Object.fromEntries(all.map(([one], i) => [one, fileOf(i)]));
    const index = JSON.stringify({ weight_map });
    return { ...Object.fromEntries(files), [`${name}.${extension}.index.json`]: index };
  };
}

const FORMS: Readonly<Record<string, Form>> = {
  "model.safetensors": (weights) => ({ "model.safetensors": writeSafetensors(weights) }),
  "pytorch_model.bin": (weights) => ({ "pytorch_model.bin": writeTorch(weights) }),
  "shards of safetensors": sharded("safetensors", writeSafetensors),
  "shards of .bin": sharded("bin", writeTorch),
};

async function replaceWeights(storage: MemoryStorage, weights: Weights, form: Form): Promise<void> {
  storage.files.delete("model/model.safetensors");
  for (const [name, bytes] of Object.entries(form(weights)))
    await storage.write(`model/${name}`, bytes);
}

/** The weights under other names. */
function renamed(weights: Weights, change: (name: string) => string): Weights {
  return new Map([...weights].map(([name, tensor]) => [change(name), tensor]));
}

describe.each([
  ["BERT", CONFIG],
  ["DistilBERT", DISTILLED],
])("%s", (_, config) => {
  const prefix = `${config.model_type}.`;
  const wrappers: readonly (readonly [string, (name: string) => string])[] = [
    ["as they are", (name) => name],
    ["of a bare encoder", (name) => name.replace(prefix, "")],
    ["of DataParallel", (name) => `module.${name}`],
    ["of a member of another module", (name) => `model.${name}`],
    ["of torch.compile", (name) => `_orig_mod.${name}`],
    ["of all three", (name) => `module._orig_mod.model.${name}`],
    ["of a wrapped bare encoder", (name) => `module.${name.replace(prefix, "")}`],
    ["of compiled layers", (name) => name.replace(/layer\.\d+/, "$&._orig_mod")],
    ["of a wrapped head", (name) => name.replace(/^(pre_)?classifier/, "module.$&")],
  ];

  test.each(wrappers)("is read with names %s", async (_, change) => {
    const { storage, tensors, weights } = await modelStorage(config);
    for (const form of Object.values(FORMS)) {
      const copy = { ...storage, files: storage.files };
      await replaceWeights(copy, renamed(weights, change), form);
      const model = getOrThrow(await readModelDirectory(copy, "model", "model"));
      expect(model.tensors).toEqual(tensors);
      expect(model.unused).toEqual([]);
      for (const name of Object.keys(form(weights))) storage.files.delete(`model/${name}`);
    }
  });
});

test("the path of the weights is the file's or the index's", async () => {
  const paths = await Promise.all(
    Object.values(FORMS).map(async (form) => {
      const { storage, weights } = await modelStorage();
      await replaceWeights(storage, weights, form);
      return getOrThrow(await readModelDirectory(storage, "model", "model")).weights;
    }),
  );
  expect(paths).toEqual([
    "model/model.safetensors",
    "model/pytorch_model.bin",
    "model/model.safetensors.index.json",
    "model/pytorch_model.bin.index.json",
  ]);
});

test("tensors without a parameter are named as they are stored and not read", async () => {
  const { storage, tensors, weights } = await modelStorage();
  const others = new Map<string, StoredTensor>([
    ["cls.predictions.LayerNorm.gamma", tensorFromFloat32("F32", [1], Float32Array.of(1))],
    ["module.bert.encoder.layer.9.x", tensorFromFloat32("F32", [1], Float32Array.of(1))],
    ["counts", { dtype: "I64", shape: [1], bytes: new Uint8Array(8) }],
    ["bert.embeddings.position_ids", { dtype: "I64", shape: [1], bytes: new Uint8Array(8) }],
    ["module.classifier.bias", tensorFromFloat32("F32", [2], Float32Array.of(5, 5))],
  ]);
  await storage.write(
    "model/model.safetensors",
    writeSafetensors(new Map([...weights, ...others])),
  );
  const model = getOrThrow(await readModelDirectory(storage, "model", "model"));
  expect(model.tensors).toEqual(tensors);
  expect(new Set(model.unused)).toEqual(new Set(others.keys()));
});

test("a parameter of integers, and one with two names, are refused by name", async () => {
  const { storage, weights } = await modelStorage();
  const integers = { dtype: "I8", shape: [2], bytes: new Uint8Array(2) } as const;
  const problemsWith = async (name: string, tensor: StoredTensor): Promise<readonly string[]> => {
    const changed = new Map([...weights, [name, tensor]]);
    await storage.write("model/model.safetensors", writeSafetensors(changed));
    const read = await readModelDirectory(storage, "model", "model");
    return isLeft(read) ? read.left.map(formatProblem) : [];
  };
  expect(await problemsWith("classifier.bias", integers)).toEqual([
    "model/model.safetensors: classifier.bias: expected floating-point numbers, got I8",
  ]);
  const norm = "bert.embeddings.LayerNorm";
  const bias = tensorFromFloat32("F32", [16], new Float32Array(16));
  expect(await problemsWith(`${norm}.beta`, bias)).toEqual([
    expect.stringContaining(`expected one tensor for ${norm}.bias, got ${norm}.`),
  ]);
});

test("packed weights are unpacked, whatever their name; beside plain ones they are not read", async () => {
  const { storage, tensors, weights } = await modelStorage();
  const { sink, files } = memorySink();
  await writePacked({ checkpoint: openBytes(writeSafetensors(weights)) }, sink);
  const packed = files.get("model.packed.safetensors") ?? new Uint8Array(0);
  for (const name of ["model.packed.safetensors", "model.safetensors"]) {
    await replaceWeights(storage, weights, () => ({ [name]: packed }));
    const model = getOrThrow(await readModelDirectory(storage, "model", "model"));
    expect(model).toMatchObject({ tensors, weights: `model/${name}` });
  }
  await storage.write("model/model.packed.safetensors", "");
  const read = async (path: string): Promise<Uint8Array> => {
    if (path.includes("packed")) throw new Error(`${path}: expected not to be read`);
    return storage.read(path);
  };
  const model = getOrThrow(await readModelDirectory({ ...storage, read }, "model", "model"));
  expect(model.tensors).toEqual(tensors);
});

test("a storage opens the checkpoint itself if it can, and it is closed", async () => {
  const { storage, tensors } = await modelStorage();
  let open = 0;
  const opening = {
    ...storage,
    read: async (path: string): Promise<Uint8Array> => {
      if (path.endsWith(".safetensors")) throw new Error(`${path}: expected not to be read whole`);
      return storage.read(path);
    },
    openCheckpoint: async (directory: string) => {
      const checkpoint = getOrThrow(await openStoredCheckpoint(storage, directory));
      open++;
      return right({ ...checkpoint, close: () => open-- });
    },
  };
  const model = getOrThrow(await openModelDirectory(opening, "model", "model"));
  expect(open).toBe(1);
  const [entry] = model.tensors.values();
  expect(entry && model.read(entry)).toEqual(tensors.get([...model.tensors.keys()][0] ?? ""));
  model.close();
  getOrThrow(await readModelDirectory(opening, "model", "model"));
  expect(open).toBe(0);
  await storage.write("model/config.json", "{}");
  expect(isLeft(await readModelDirectory(opening, "model", "model"))).toBe(true);
  expect(open).toBe(0);
});

test("problems of all files come at once", async () => {
  const storage = memoryStorage();
  await storage.write("model/notes.txt", "");
  const read = await readModelDirectory(storage, "model", "`model`");
  expect(isLeft(read) && read.left.map(formatProblem)).toEqual([
    "model/config.json: expected this file, got none",
    expect.stringMatching(/^model: expected model\.safetensors\.index\.json.* got none of them$/),
    "model/tokenizer.json, vocab.txt: expected one of these files, got neither",
  ]);
  const missing = await readModelDirectory(storage, "other", "`model`");
  expect(isLeft(missing) && missing.left.map(formatProblem)).toEqual([
    "`model`: expected a directory, got other (does not exist)",
  ]);
});
