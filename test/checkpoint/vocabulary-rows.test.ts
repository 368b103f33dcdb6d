import { describe, expect, test } from "vitest";
import { byteSource } from "../../src/checkpoint/byte-source.ts";
import type { CopySink } from "../../src/checkpoint/copy.ts";
import { openCheckpointFile } from "../../src/checkpoint/open.ts";
import { findTokenTensors, keptRows, writeShrunk } from "../../src/checkpoint/vocabulary-rows.ts";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";

function tensor(...shape: number[]): StoredTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  return tensorFromFloat32(
    "F32",
    shape,
    Float32Array.from({ length: count }, (_, i) => i),
  );
}

function opened(tensors: Readonly<Record<string, StoredTensor>>, metadata = {}) {
  const bytes = writeSafetensors(new Map(Object.entries(tensors)), metadata);
  return getOrThrow(openCheckpointFile(byteSource("model.safetensors", bytes)));
}

describe("findTokenTensors", () => {
  test("finds embeddings and heads of masked language models, with masks", () => {
    const names = [
      ...["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"],
      ...["cls.predictions.decoder.weight", "cls.predictions.decoder.bias", "lm_head.bias"],
      ...["lm_head.decoder.weight", "vocab_projector.weight", "generator_lm_head.bias"],
      ...["module.embeddings.word_embeddings.weight_orig", "word_embeddings.weight_mask"],
    ];
    const others = {
      "lm_head.dense.weight": tensor(3, 3),
      "embeddings.position_ids": tensor(1, 4),
    };
    const tensors = Object.fromEntries(names.map((name) => [name, tensor(4, 2)]));
    const found = findTokenTensors(opened({ ...tensors, ...others }), 4, () => false);
    expect([...getOrThrow(found)].sort()).toEqual(names.sort());
  });

  test("refuses other tensors with as many rows, unless the model has them", () => {
    const checkpoint = opened({
      "word_embeddings.weight": tensor(5, 2),
      "my_head.weight": tensor(2, 4),
    });
    const found = findTokenTensors(checkpoint, 4, () => false);
    expect(isLeft(found) && found.left.map(formatProblem).sort()).toEqual([
      "model.safetensors: my_head.weight: expected no tensor of this name with an extent for each token, got [2, 4]",
      "model.safetensors: word_embeddings.weight: expected 4 rows, the vocab_size of config.json, got 5",
    ]);
    const known = opened({ "classifier.weight": tensor(2, 4) });
    expect(
      getOrThrow(findTokenTensors(known, 4, (name) => name === "classifier.weight")).size,
    ).toBe(0);
  });
});

describe("writeShrunk", () => {
  const tensors = {
    "embeddings.word_embeddings.weight": tensor(4, 2),
    "lm_head.bias": { ...tensor(2), dtype: "F16", shape: [4] } as const,
    "encoder.weight": tensor(4, 4),
  };

  test("cuts rows, keeps all other bits and metadata, and states sizes", async () => {
    const checkpoint = opened(tensors, { format: "pt", by: "me" });
    const written = new Map<string, Uint8Array>();
    const sink: CopySink = async ({ files, replaced }) => {
      expect(replaced).toEqual(["model.safetensors", "model.safetensors", "vocab.txt"]);
      for (const { name, write } of files) {
        const bytes: number[] = [];
        await write((piece, position) => {
          piece.forEach((byte, i) => {
            bytes[position + i] = byte;
          });
        }, -1);
        written.set(name, Uint8Array.from(bytes));
      }
      return ["model.onnx"];
    };
    const files = new Map([["vocab.txt", Uint8Array.of(97, 10)]]);
    const names = new Set(["embeddings.word_embeddings.weight", "lm_head.bias"]);
    const run = { checkpoint, tensors: names, kept: Int32Array.of(0, 3), files };
    const sizes = await writeShrunk(run, sink);
    const weights = written.get("model.safetensors") ?? new Uint8Array();
    const read = readSafetensorsOrThrow(weights);
    expect(read.metadata).toEqual({ format: "pt", by: "me" });
    const embeddings = read.tensors.get("embeddings.word_embeddings.weight");
    expect(embeddings?.shape).toEqual([2, 2]);
    expect(embeddings && [...toFloat32(embeddings)]).toEqual([0, 1, 6, 7]);
    expect(read.tensors.get("encoder.weight")).toEqual(tensors["encoder.weight"]);
    expect(read.tensors.get("lm_head.bias")?.bytes).toEqual(
      Uint8Array.of(
        ...tensors["lm_head.bias"].bytes.subarray(0, 2),
        ...tensors["lm_head.bias"].bytes.subarray(6, 8),
      ),
    );
    expect(written.get("vocab.txt")).toEqual(Uint8Array.of(97, 10));
    expect(sizes).toMatchObject({ shrunkBytes: weights.length, leftOut: ["model.onnx"] });
    expect(sizes.tensors.map(({ bytes, shrunkBytes }) => [bytes, shrunkBytes])).toContainEqual([
      32, 16,
    ]);
  });
});

test("keptRows copies rows of any width", () => {
  expect([...keptRows(Uint8Array.of(1, 2, 3, 4, 5, 6), 3, Int32Array.of(0, 2))]).toEqual([
    1, 2, 5, 6,
  ]);
  expect(keptRows(new Uint8Array(6), 3, new Int32Array(0))).toHaveLength(0);
});
