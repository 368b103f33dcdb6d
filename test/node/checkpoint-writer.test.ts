/** Copies of checkpoints on disk: which files go with the weights, and what is left if a write fails. */
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { openCheckpointOrThrow } from "../../src/node/checkpoint-reader.ts";
import { copyCheckpoint } from "../../src/node/checkpoint-writer.ts";
import { espalier, temporaryDirectory, writeShards } from "../cli/fixtures.ts";

const root = temporaryDirectory();
const values = Float32Array.from({ length: 64 }, (_, i) => i);
const weight = tensorFromFloat32("F32", [16, 4], values);
const weights = writeSafetensors(new Map([["a.weight", weight]]));

const STALE = [
  "consolidated.safetensors",
  "model.packed.safetensors",
  "model.safetensors",
  "consolidated.safetensors.index.json",
  "pytorch_model.bin",
  "tf_model.h5",
  "flax_model.msgpack",
  "rust_model.ot",
  "model.ckpt.data-00000-of-00001",
  "openvino_model.bin",
  join("onnx", "decoder_model.onnx"),
  join("onnx", "model.onnx_data"),
  join("original", "consolidated.00.pth"),
];
const KEPT = [
  "config.json",
  "training_args.bin",
  "onnxruntime.json",
  join("onnx", "config.json"),
  join("2_Dense", "model.safetensors"),
];

/** A directory with shards and all of these beside them. */
function crowded(): string {
  const directory = join(root, "crowded");
  for (const folder of ["onnx", "original", "2_Dense"])
    mkdirSync(join(directory, folder), { recursive: true });
  for (const name of [...STALE, ...KEPT]) writeFileSync(join(directory, name), weights);
  writeFileSync(join(directory, "config.json"), "{}");
  writeFileSync(join(directory, "model-1.safetensors"), weights);
  const index = { weight_map: { "a.weight": "model-1.safetensors" } };
  writeFileSync(join(directory, "model.safetensors.index.json"), JSON.stringify(index));
  return directory;
}

test("a copy has no weights of the original, and says which it left out", async () => {
  const from = crowded();
  const copies: readonly (readonly [readonly string[], readonly string[]])[] = [
    [
      ["prune", "--pattern", "4x1", "--sparsity", "0.5"],
      ["model-1.safetensors", "model.safetensors.index.json"],
    ],
    [["pack"], ["model.packed.safetensors"]],
  ];
  for (const [[command = "", ...more], made] of copies) {
    const to = join(root, command);
    const { code, out } = await espalier([command, from, ...more, "--out", to]);
    expect(code).toBe(0);
    const files = (readdirSync(to, { recursive: true }) as readonly string[]).filter((name) =>
      statSync(join(to, name)).isFile(),
    );
    expect([...files].sort()).toEqual([...KEPT, ...made].sort());
    const named = [...out.matchAll(/^not copied: (.*?), which holds/gm)].map(([, name]) => name);
    expect(named.sort()).toEqual([...STALE].sort());
  }
});

test("a copy leaves nothing if any of its writes fails", async () => {
  const both = new Map(["a.weight", "b.weight"].map((name) => [name, weight]));
  writeFileSync(join(root, "both.safetensors"), writeSafetensors(both));
  writeShards(join(root, "sharded"), both);
  for (const from of [join(root, "both.safetensors"), join(root, "sharded")]) {
    const checkpoint = await openCheckpointOrThrow(from);
    for (let failing = 0; failing < both.size; failing++) {
      const before = readdirSync(root);
      const to = join(root, "copy");
      let count = 0;
      const change = (_: unknown, { bytes }: StoredTensor): Uint8Array => {
        if (count++ === failing) throw new Error("no space left");
        return bytes;
      };
      await expect(copyCheckpoint({ checkpoint, from, to, change })).rejects.toThrow("no space");
      expect(readdirSync(root)).toEqual(before);
      expect(existsSync(to)).toBe(false);
    }
    checkpoint.close();
  }
});
