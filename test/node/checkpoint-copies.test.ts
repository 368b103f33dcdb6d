/** Copies of directories: which of the files beside the weights go with them. */
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";

const root = temporaryDirectory();
const values = Float32Array.from({ length: 64 }, (_, i) => i);
const weights = writeSafetensors(
  new Map([["a.weight", tensorFromFloat32("F32", [16, 4], values)]]),
);

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
