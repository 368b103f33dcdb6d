import { pipe } from "fp-ts/function";
import { describe, expect, test } from "vitest";
import { byteSource } from "../../src/checkpoint/byte-source.ts";
import { openCheckpointFile } from "../../src/checkpoint/open.ts";
import { chain, formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { parseModelConfigOrThrow } from "../../src/model/config.ts";
import { layerSizes } from "../../src/run/narrowed-layers.ts";
import {
  feedForwardLayers,
  readShrinkable,
  readVocabulary,
  type ShrinkableDirectory,
  tokenTensors,
  withWidths,
} from "../../src/run/shrinkable-directory.ts";
import {
  bytePairFiles,
  type Files,
  textFiles,
  wordPieceFiles,
} from "../checkpoint/vocabularies.ts";
import { memoryStorage } from "./memory-storage.ts";

const PLACE = { name: "org/model", path: "cache/model" };

const readVocabularyOf = (directory: ShrinkableDirectory) => readVocabulary(directory);

async function read(files: Files) {
  const storage = memoryStorage();
  for (const [name, bytes] of files) await storage.write(`${PLACE.path}/${name}`, bytes);
  return pipe(await readShrinkable(storage, PLACE, "IN"), chain(readVocabularyOf));
}

function withConfig(files: Files, config: object): Files {
  return new Map([...files, ...textFiles({ "config.json": config })]);
}

describe("readShrinkable", () => {
  test("requires the ids that files state, and the padding id", async () => {
    const config = { model_type: "bert", vocab_size: 9, sep_token_id: 6, cls_token_id: 40 };
    const found = getOrThrow(await read(withConfig(wordPieceFiles(["a", "b"]), config)));
    expect([...new Set(found.required)].sort()).toEqual([0, 6]);
    expect(found.model.type).toBe("WordPiece");
  });

  test("requires all ids before the padding id if positions begin after it", async () => {
    const config = { model_type: "roberta", vocab_size: 300, pad_token_id: 4 };
    const found = getOrThrow(await read(withConfig(bytePairFiles([]), config)));
    expect([...new Set(found.required)].sort()).toEqual([0, 1, 2, 3, 4]);
  });

  test("names the model, not its path, in all problems", async () => {
    const problems = async (files: Files): Promise<readonly string[]> => {
      const found = await read(files);
      return isLeft(found) ? found.left.map(formatProblem) : [];
    };
    expect(await problems(textFiles({ "config.json": "{}" }))).toEqual([
      expect.stringMatching(/^org\/model\/config\.json: model_type: expected one of bert/),
    ]);
    expect(await problems(textFiles({ "config.json": { model_type: "bert" } }))).toEqual([
      "org/model/tokenizer.json, vocab.txt: expected one of these files, got neither",
    ]);
    expect(await problems(new Map())).toEqual([
      "IN: expected a directory, got cache/model (does not exist)",
    ]);
    const files = withConfig(wordPieceFiles(["a"]), { model_type: "bert", vocab_size: 2 });
    expect(await problems(new Map([...files, ["spiece.model", new Uint8Array()]]))).toEqual([
      "org/model/tokenizer.json: expected at most 2 tokens, the vocab_size of config.json, got 6",
      "org/model/spiece.model: expected no vocabulary in this form, got a file",
    ]);
  });
});

test("tokenTensors knows the other tensors of a model, by their names in any form", () => {
  const sizes = { hidden_size: 8, num_attention_heads: 2, intermediate_size: 12 };
  const config = parseModelConfigOrThrow({ model_type: "bert", vocab_size: 8, ...sizes });
  const tensorsOf = (shapes: Readonly<Record<string, readonly number[]>>) => {
    const tensors = Object.entries(shapes).map(([name, shape]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return [name, tensorFromFloat32("F32", shape, new Float32Array(count))] as const;
    });
    const bytes = writeSafetensors(new Map(tensors));
    return tokenTensors(config, getOrThrow(openCheckpointFile(byteSource("m", bytes))));
  };
  const embeddings = { "module.embeddings.word_embeddings.weight": [8, 8] };
  const layer = { "module.encoder.layer.0.attention.self.query.weight": [8, 8] };
  expect([...getOrThrow(tensorsOf({ ...embeddings, ...layer }))]).toEqual(Object.keys(embeddings));
  expect(isLeft(tensorsOf({ ...embeddings, "my_head.weight": [8, 8] }))).toBe(true);
  const none = tensorsOf(layer);
  expect(isLeft(none) && none.left.map(formatProblem)).toEqual([
    "m: expected a tensor with a row for each token, got none",
  ]);
});

describe("feedForwardLayers", () => {
  const sizes = { hidden_size: 4, num_attention_heads: 2, intermediate_size: 3 };
  const config = parseModelConfigOrThrow({ model_type: "bert", num_hidden_layers: 1, ...sizes });
  const layer = "encoder.layer.0";
  const shapes = {
    [`${layer}.intermediate.dense.weight`]: [3, 4],
    [`${layer}.intermediate.dense.bias`]: [3],
    [`${layer}.output.dense.weight`]: [4, 3],
  };
  const layersOf = (own: Readonly<Record<string, readonly number[]>>, metadata = {}) => {
    const tensors = Object.entries(own).map(([name, shape]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return [name, tensorFromFloat32("F32", shape, new Float32Array(count))] as const;
    });
    const bytes = writeSafetensors(new Map(tensors), metadata);
    const opened = getOrThrow(openCheckpointFile(byteSource("m", bytes)));
    return getOrThrow(feedForwardLayers(config, opened));
  };

  test("finds the tensors of every layer", () => {
    const [found] = layersOf(shapes) ?? [];
    expect(found && Object.values(found).map(({ name }) => name)).toEqual(Object.keys(shapes));
  });

  test("finds none if a tensor is missing, shared or of another shape", () => {
    const [first = "", second = "", third = ""] = Object.keys(shapes);
    expect(layersOf({ [first]: [3, 4], [second]: [3] })).toBeUndefined();
    expect(layersOf({ ...shapes, [third]: [3, 4] })).toBeUndefined();
    expect(layersOf(shapes, { other: first })).toBeUndefined();
  });
});

test("withWidths sets a common width by the key of the architecture, or that of each layer", () => {
  const widthIn = (config: object, ...widths: number[]): unknown => {
    const files = textFiles({ "config.json": config });
    const directory = { name: "m", config: parseModelConfigOrThrow(config), files, names: [] };
    const { files: changed, config: read } = withWidths(directory, widths);
    expect(layerSizes(read).widths.slice(0, widths.length)).toEqual(
      widths.length > 1 ? widths : layerSizes(read).widths.slice(0, 1),
    );
    return JSON.parse(new TextDecoder().decode(changed.get("config.json")));
  };
  expect(widthIn({ model_type: "electra", intermediate_size: 8 }, 5)).toEqual({
    ...{ model_type: "electra", intermediate_size: 5 },
  });
  expect(widthIn({ model_type: "distilbert" }, 5)).toEqual({
    ...{ model_type: "distilbert", hidden_dim: 5 },
  });
  const each = { model_type: "bert", num_hidden_layers: 2, intermediate_size: 5 };
  const stated = { ...each, espalier: { intermediate_sizes: [3, 5] } };
  expect(widthIn(each, 3, 5)).toEqual(stated);
  expect(widthIn(stated, 4, 2)).toEqual({
    ...{ ...each, intermediate_size: 4, espalier: { intermediate_sizes: [4, 2] } },
  });
  expect(widthIn(stated, 3, 3)).toEqual({ ...each, intermediate_size: 3 });
});
