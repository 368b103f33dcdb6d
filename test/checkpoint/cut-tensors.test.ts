import { describe, expect, test } from "vitest";
import type { CopySink } from "../../src/checkpoint/copy.ts";
import { cutTensor, writeShrunk } from "../../src/checkpoint/cut-tensors.ts";
import { readSafetensorsOrThrow, toFloat32 } from "../../src/io/safetensors.ts";
import { opened, tensor } from "./small-checkpoint.ts";

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
    const cut = { axis: 0, kept: Int32Array.of(0, 3) } as const;
    const names = ["embeddings.word_embeddings.weight", "lm_head.bias"];
    const cuts = new Map(names.map((name) => [name, cut]));
    const run = { checkpoint, cuts, files };
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

test("writeShrunk states whole bytes for any share of rows", async () => {
  const checkpoint = opened({ "word_embeddings.weight": tensor(1816, 32) });
  const cuts = new Map([
    [
      "word_embeddings.weight",
      { axis: 0, kept: Int32Array.from({ length: 915 }, (_, i) => i) },
    ] as const,
  ]);
  const { tensors } = await writeShrunk({ checkpoint, cuts, files: new Map() }, async () => []);
  // 32 * 4 bytes a row; 915 / 1816 is not exact.
  expect(tensors.map(({ shrunkBytes }) => shrunkBytes)).toEqual([915 * 128]);
});

test("cutTensor copies rows or columns of any type", () => {
  const bytes = Uint8Array.from({ length: 12 }, (_, i) => i);
  const cut = (shape: number[], axis: 0 | 1, ...kept: number[]) => [
    ...cutTensor(bytes, shape, { axis, kept: Int32Array.from(kept) }),
  ];
  expect(cut([3, 4], 0, 0, 2)).toEqual([0, 1, 2, 3, 8, 9, 10, 11]);
  expect(cut([3, 4], 1, 1, 3)).toEqual([1, 3, 5, 7, 9, 11]);
  expect(cut([3, 2], 1, 0)).toEqual([0, 1, 4, 5, 8, 9]);
  expect(cut([3], 0, 1)).toEqual([4, 5, 6, 7]);
  expect(cut([3, 4], 0)).toEqual([]);
});
