/** `espalier pack` and `espalier unpack`, and other commands on packed files. */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { isLeft } from "../../src/core/either.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { packCheckpoint } from "../../src/node/checkpoint-copies.ts";
import { openCheckpointOrThrow } from "../../src/node/checkpoint-reader.ts";
import { loadModelDirectory, readModelDirectory } from "../../src/node/storage.ts";
import { espalier, temporaryDirectory, writeModel, writeShards } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

/** [rows, columns] of which every tenth block of 4x1 is kept. */
function blocks(rows: number, columns: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const [blockRow, column] = [Math.floor(i / columns / 4), i % columns];
    return (column + 3 * blockRow) % 10 === 3 ? Math.sin(i) : 0;
  });
}

const tensors: ReadonlyMap<string, StoredTensor> = new Map([
  [
    "embeddings.word_embeddings.weight",
    tensorFromFloat32("F32", [9, 8], new Float32Array(72).fill(1.1)),
  ],
  ["encoder.0.query.weight", tensorFromFloat32("F32", [40, 40], blocks(40, 40))],
  ["encoder.0.query.bias", tensorFromFloat32("F32", [8], new Float32Array(8))],
  ["encoder.1.query.weight", tensorFromFloat32("F16", [40, 20], blocks(40, 20))],
  ["position_ids", { dtype: "I64", shape: [1, 4], bytes: new Uint8Array(32) }],
  ["classifier.weight", tensorFromFloat32("F32", [2, 8], new Float32Array(16).fill(0.3))],
]);

beforeAll(() => {
  writeFileSync(path("model.safetensors"), writeSafetensors(tensors, { format: "pt", by: "me" }));
  writeShards(path("sharded"), tensors);
  writeFileSync(path("sharded", "config.json"), '{"kept": [1]}');
  writeFileSync(path("sharded", "pytorch_model.bin"), "weights in another format");
});

let made = 0;
const target = (): string => path(`out-${made++}`);

async function packed(from: string, ...more: string[]): Promise<string> {
  const to = target();
  const { code, err } = await espalier(["pack", from, "--out", to, ...more]);
  expect({ code, err: err.replace(/^pack .*\n/gm, "") }).toEqual({ code: 0, err: "" });
  return to;
}

async function unpacked(from: string): Promise<string> {
  const to = target();
  const { code, err } = await espalier(["unpack", from, "--out", to]);
  expect({ code, err: err.replace(/^unpack .*\n/gm, "") }).toEqual({ code: 0, err: "" });
  return to;
}

describe("espalier pack", () => {
  test("makes a smaller file that unpacks to the same bytes", async () => {
    const from = path("model.safetensors");
    const to = await packed(from);
    const [before, after] = [readFileSync(from), readFileSync(to)];
    expect(after.length).toBeLessThan(before.length / 2);
    expect(readFileSync(await unpacked(to)).equals(before)).toBe(true);
  });

  test("states each layout and the bytes of layers, of embeddings and of all", async () => {
    const argv = ["pack", path("model.safetensors"), "--out", target()];
    const { out } = await espalier(argv);
    expect(out).toMatch(/^encoder\.0\.query\.weight +40x40 +4x1 F32 +6400 +764 +0\.1194$/m);
    expect(out).toMatch(/^encoder\.1\.query\.weight +40x20 +4x1 F16 +1600 +244 +0\.1525$/m);
    expect(out).toMatch(/^classifier\.weight +2x8 +dense +64 +64 +1\.0000$/m);
    expect(out).toContain("weights of layers: 1072 of 8064 bytes (0.1329)\n");
    expect(out).toContain("embeddings: 288 of 288 bytes (1.0000)\n");
    expect(out).toMatch(/^all: 1424 of 8416 bytes \(0\.1692\)$/m);
  });

  test("copies a directory, whose weights become one packed file and, unpacked, one plain one", async () => {
    const to = await packed(path("sharded"));
    expect(readdirSync(to).sort()).toEqual(["config.json", "model.packed.safetensors"]);
    const back = await unpacked(to);
    expect(readdirSync(back).sort()).toEqual(["config.json", "model.safetensors"]);
    const read = readSafetensorsOrThrow(
      new Uint8Array(readFileSync(join(back, "model.safetensors"))),
    );
    expect(new Map(read.tensors)).toEqual(
      new Map([...tensors].map(([name, tensor]) => [name, tensor])),
    );
  });

  test("takes an index, and gives a document of JSON", async () => {
    const to = target();
    const index = path("sharded", "model.safetensors.index.json");
    const { code, out } = await espalier(["pack", index, "--out", to, "--json"]);
    expect(code).toBe(0);
    const { parts, tensors: listed } = JSON.parse(out);
    expect(listed).toHaveLength(tensors.size);
    expect(parts.at(-1)).toEqual({ name: "all", bytes: 8416, packedBytes: 1424 });
    expect(readSafetensorsOrThrow(new Uint8Array(readFileSync(to))).tensors.size).toBe(8 + 2);
  });

  test("rounds to half of the bytes, or to eight bits, and states the error", async () => {
    const from = path("model.safetensors");
    const half = await espalier(["pack", from, "--out", target(), "--dtype", "float16"]);
    expect(half.out).toMatch(/largest error +relative error/);
    expect(half.out).toMatch(/^encoder\.0.* 4x1 F16 +6400 +444 .* \d\.\d\de-4 +\d\.\d\de-4$/m);
    expect(half.out).toMatch(/^embeddings.* dense F16 +288 +144 /m);
    expect(half.out).toMatch(/^encoder\.0\.query\.bias +8 +dense +32 +32 +1\.0000 +0 +0$/m);
    const eight = await espalier(["pack", from, "--out", target(), "--quantize"]);
    expect(eight.out).toMatch(/^encoder\.0.* 4x1 I8 +6400 +364 .* \d\.\d\de-3 +\d\.\d\de-3$/m);
  });

  test("stores matrices in eight bits with a scale for each row, and states the error", async () => {
    const from = path("eight.safetensors");
    writeFileSync(
      from,
      writeSafetensors(
        new Map([
          ["a.query.weight", tensorFromFloat32("F32", [80, 80], blocks(80, 80))],
          ["a.query.bias", tensorFromFloat32("F32", [80], blocks(8, 10))],
          [
            "word_embeddings.weight",
            tensorFromFloat32(
              "F32",
              [80, 80],
              blocks(80, 80).map((_, i) => Math.cos(i)),
            ),
          ],
        ]),
      ),
    );
    const to = target();
    const options = ["--int8", "--embedding-bits", "6", "--dtype", "float16"];
    const { code, out } = await espalier(["pack", from, "--out", to, ...options]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /^a\.query\.weight +80x80 +4x1 int8 +25600 +1000 .* \d\.\d\de-3 +\d\.\d\de-3$/m,
    );
    expect(out).toMatch(/^a\.query\.bias +80 +dense F16 +320 +160 /m);
    expect(out).toMatch(/^word_emb.* dense int8 +25600 +6560 .* 1\.\d\de-2 +\d\.\d\de-2$/m);
    const verify = ["verify", to, "--pattern", "4x1", "--layers", "query", "--min-sparsity", "0.9"];
    expect((await espalier(verify)).code).toBe(0);
    const plain = readSafetensorsOrThrow(new Uint8Array(readFileSync(await unpacked(to))));
    expect([...plain.tensors.values()].map(({ dtype }) => dtype)).toEqual(["F32", "F32", "F32"]);
    expect((await espalier(["inspect", to])).out).toMatch(/ 25600 +1000 +4x1 int8 /);
  });

  test("chooses from the layouts that are named", async () => {
    const argv = ["pack", path("model.safetensors"), "--out", target(), "--layout"];
    const { out } = await espalier([...argv, "bitmask, csr"]);
    expect(out).toMatch(/^encoder\.0.* bitmask F32 +6400 +840 /m);
  });

  test("refuses what it cannot do, and leaves nothing", async () => {
    const from = path("model.safetensors");
    const before = readdirSync(root);
    const refused = async (...argv: string[]) => {
      const { code, out, err } = await espalier(argv);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      return err;
    };
    expect(await refused("pack", from)).toMatch(/^--out: expected a path for the result, got none/);
    expect(await refused("pack", from, "--out", from)).toMatch(
      /expected a path where nothing is yet/,
    );
    expect(await refused("pack", from, "--out", target(), "--int8", "--quantize")).toBe(
      "--quantize: expected --int8 or --quantize, got both\n",
    );
    expect(await refused("pack", from, "--out", target(), "--embedding-bits", "7")).toBe(
      "--embedding-bits: expected --int8 beside it, got none\n",
    );
    expect(
      await refused("pack", from, "--out", target(), "--int8", "--embedding-bits", "9"),
    ).toMatch(/^--embedding-bits: expected an integer at least 2 and at most 8, got "9"/);
    expect(await refused("pack", from, "--out", target(), "--layouts", "4x1,cubes")).toMatch(
      /^--layouts: expected a layout such as "4x1", .* or several separated by commas, got "?4x1,cubes/,
    );
    expect(await refused("pack", path("nothing"), "--out", target())).toMatch(/got nothing there/);
    expect(await refused("unpack", from, "--out", target())).toMatch(
      /expected a packed checkpoint, got a plain one/,
    );
    const large = tensorFromFloat32("F32", [2, 2], Float32Array.of(1, 0, 0, 1e9));
    writeFileSync(path("large.safetensors"), writeSafetensors(new Map([["w.weight", large]])));
    const listed = readdirSync(root);
    const half = ["--dtype", "float16"];
    expect(await refused("pack", path("large.safetensors"), "--out", target(), ...half)).toMatch(
      /w\.weight: expected elements that F16 can hold/,
    );
    expect(readdirSync(root)).toEqual(listed);
    expect(before.length).toBe(listed.length - 1);
  });

  test("stops between tensors when it is interrupted, and leaves nothing", async () => {
    const before = readdirSync(root);
    const [from, to] = [path("model.safetensors"), target()];
    const argv = ["pack", from, "--out", to];
    expect(await espalier(argv, AbortSignal.abort())).toMatchObject({ code: 130, out: "" });
    expect(readdirSync(root)).toEqual(before);
    // While the file is being written.
    const checkpoint = await openCheckpointOrThrow(from);
    const controller = new AbortController();
    let seen: readonly string[] = [];
    const onProgress = (done: number, total: number): void => {
      if (done <= total / 2) return;
      seen = readdirSync(root).filter((name) => name.endsWith(".tmp"));
      controller.abort();
    };
    const { signal } = controller;
    await expect(packCheckpoint({ checkpoint, from, to, signal, onProgress })).rejects.toThrow();
    checkpoint.close();
    expect(seen).toHaveLength(1);
    expect(readdirSync(root)).toEqual(before);
  });

  test("refuses a name that a packed tensor's part has", async () => {
    const weight = tensorFromFloat32("F32", [16, 4], new Float32Array(64).fill(1, 8, 12));
    const named = new Map([
      ["w", weight],
      ["w:values", weight],
    ]);
    writeFileSync(path("parts.safetensors"), writeSafetensors(named));
    const listed = readdirSync(root);
    const { code, err } = await espalier(["pack", path("parts.safetensors"), "--out", target()]);
    expect(code).toBe(2);
    expect(err).toMatch(/^w:values: expected a name that no part of a packed tensor has/m);
    expect(readdirSync(root)).toEqual(listed);
  });

  test("refuses a file that changes while it is read", async () => {
    const from = path("changing.safetensors");
    const weight = new Float32Array(64).fill(1, 8, 12);
    writeFileSync(
      from,
      writeSafetensors(new Map([["w", tensorFromFloat32("F32", [16, 4], weight)]])),
    );
    const checkpoint = await openCheckpointOrThrow(from);
    const listed = readdirSync(root);
    let reads = 0;
    const read: typeof checkpoint.read = (entry) => {
      const stored = checkpoint.read(entry);
      if (reads++ > 0) stored.bytes.fill(1, 0, 16);
      return stored;
    };
    const changing = { ...checkpoint, read };
    await expect(packCheckpoint({ checkpoint: changing, from, to: target() })).rejects.toThrow(
      /has the file changed\?$/,
    );
    checkpoint.close();
    expect(readdirSync(root)).toEqual(listed);
  });
});

describe("a packed checkpoint", () => {
  test("is pruned as the file that it holds, whichever of equal scores comes first", async () => {
    const [ones, some] = [new Float32Array(256).fill(1), new Float32Array(256)];
    for (let i = 0; i < 256; i++) if (i % 16 < 2) some[i] = 1;
    const named = new Map([
      ["a.weight", tensorFromFloat32("F32", [16, 16], ones)],
      ["b.weight", tensorFromFloat32("F32", [16, 16], some)],
    ]);
    const plain = path("equal.safetensors");
    writeFileSync(plain, writeSafetensors(named));
    const prune = async (from: string): Promise<Uint8Array> => {
      const to = target();
      const argv = ["prune", from, "--pattern", "1x2", "--sparsity", "0.6", "--out", to];
      const { code, out } = await espalier(argv);
      expect(code).toBe(0);
      expect(out).toContain(`${readFileSync(to).length} bytes`);
      return (
        readSafetensorsOrThrow(readFileSync(to)).tensors.get("a.weight")?.bytes ?? new Uint8Array(0)
      );
    };
    expect(await prune(await packed(plain))).toEqual(await prune(plain));
  });

  test("has the metadata that its file had, and no more", async () => {
    const bare = path("bare.safetensors");
    writeFileSync(bare, writeSafetensors(tensors));
    expect(readFileSync(await unpacked(await packed(bare)))).toEqual(readFileSync(bare));
  });

  test("keeps the metadata of all files, the first one's where they disagree, and says so", async () => {
    const from = path("disagreeing");
    writeShards(from, tensors);
    const [first, second] = [1, 2].map((i) => join(from, `model-0000${i}-of-00002.safetensors`));
    const rewrite = (file: string | undefined, metadata: Record<string, string>): void => {
      if (file === undefined) throw new Error("expected two files");
      const { tensors: own } = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
      writeFileSync(file, writeSafetensors(own, metadata));
    };
    rewrite(first, { format: "pt", by: "me", one: "1" });
    rewrite(second, { format: "pt", by: "you", two: "2" });
    const to = target();
    const { code, out } = await espalier(["pack", from, "--out", to]);
    expect(code).toBe(0);
    expect(out.match(/^not kept: .*$/gm)).toEqual([
      'not kept: the metadata by = "you" of model-00002-of-00002.safetensors, which an earlier file has as "me"',
    ]);
    const packedFile = readFileSync(join(to, "model.packed.safetensors"));
    const {
      "espalier.packed": manifest,
      "espalier.crc32": checksums,
      ...metadata
    } = readSafetensorsOrThrow(new Uint8Array(packedFile)).metadata;
    expect(manifest).toBeDefined();
    expect(metadata).toEqual({ format: "pt", by: "me", one: "1", two: "2" });
    expect(checksums).toContain("encoder.0.query.weight");
  });

  test("of a state dict is for PyTorch, as transformers asks of a file", async () => {
    const torch = fileURLToPath(new URL("../io/torch/zip.bin", import.meta.url));
    const plain = await unpacked(await packed(torch));
    const { metadata } = readSafetensorsOrThrow(new Uint8Array(readFileSync(plain)));
    expect(metadata).toEqual({ format: "pt", "tied.1.weight": "tied.0.weight" });
  });

  test("leaves out files that hold the weights once more", async () => {
    const from = path("stale");
    mkdirSync(from);
    for (const name of ["model", "consolidated", "model.packed"])
      writeFileSync(join(from, `${name}.safetensors`), writeSafetensors(tensors));
    mkdirSync(join(from, "onnx"));
    writeFileSync(join(from, "onnx", "model.onnx"), "weights in another format");
    writeFileSync(join(from, "onnx", "notes.txt"), "kept");
    const to = target();
    const { code, out } = await espalier(["pack", from, "--out", to]);
    expect(code).toBe(0);
    expect(readdirSync(to, { recursive: true }).sort()).toEqual([
      "model.packed.safetensors",
      "onnx",
      join("onnx", "notes.txt"),
    ]);
    for (const name of ["consolidated.safetensors", "model.packed.safetensors", "onnx/model.onnx"])
      expect(out).toContain(name);
  });

  test("is verified, inspected and pruned as what it holds", async () => {
    const to = await packed(path("model.safetensors"));
    const argv = ["--pattern", "4x1", "--layers", "encoder", "--exact", "--min-sparsity", "0.9"];
    expect((await espalier(["verify", to, ...argv])).code).toBe(0);
    const { out } = await espalier(["inspect", to]);
    expect(out).toMatch(/: one file, packed, \d+ bytes\n/);
    expect(out).toMatch(
      /^encoder\.0\.query\.weight +linear +out,in +F32 +40x40 +6400 +764 +4x1 F32 +0\.9/m,
    );
    expect(out).toMatch(
      /^packed bytes: 1424 of 8416 \(0\.1692\), of layers 1072 of 8064 \(0\.1329\)$/m,
    );
    expect(out).toContain("by = me\n");
    expect(out).not.toContain("espalier.packed");
    const pruned = target();
    const prune = ["prune", to, "--pattern", "2:4", "--sparsity", "0.5", "--out", pruned];
    expect((await espalier(prune)).code).toBe(0);
    expect((await espalier(["verify", pruned, "--pattern", "2:4", "--layers", "enc"])).code).toBe(
      0,
    );
  });

  test("keeps the other names of tensors that a state dict shares", async () => {
    const file = readFileSync(new URL("../io/torch/legacy.bin", import.meta.url));
    const renamed = file.toString("latin1").replace("tied.1.weight", "embeds.weight");
    writeFileSync(path("shared.bin"), Buffer.from(renamed, "latin1"));
    const to = await packed(path("shared.bin"));
    for (const from of [path("shared.bin"), to, await unpacked(to)]) {
      const { out } = await espalier(["inspect", from, "--json"]);
      expect(out).toContain('"name":"tied.0.weight"');
      expect(out).toContain(
        '"role":"embedding","axes":null,"source":"names","aliases":["embeds.weight"]',
      );
    }
  });

  test("is refused where its manifest or its parts are not right", async () => {
    const to = await packed(path("model.safetensors"));
    const { tensors: parts, metadata: own } = readSafetensorsOrThrow(
      new Uint8Array(readFileSync(to)),
    );
    const { "espalier.crc32": checksums, ...metadata } = own;
    const altered = (change: (parts: Map<string, StoredTensor>) => string | undefined): string => {
      const copy = new Map(parts);
      const manifest = change(copy) ?? metadata["espalier.packed"] ?? "";
      const file = target();
      writeFileSync(file, writeSafetensors(copy, { ...metadata, "espalier.packed": manifest }));
      return file;
    };
    const refusal = async (file: string) => {
      const { code, err } = await espalier(["inspect", file]);
      expect(code).toBe(2);
      return err;
    };
    const name = "encoder.0.query.weight";
    const without = altered((copy) => void copy.delete(`${name}:starts`));
    expect(await refusal(without)).toMatch(
      /weight:starts: expected a tensor in the file, got none/,
    );
    const twice = altered((copy) => {
      copy.set(name, tensors.get(name) as StoredTensor);
      return undefined;
    });
    expect(await refusal(twice)).toMatch(/expected a packed tensor only, got a plain one too/);
    expect(await refusal(altered(() => '{"version": 3}'))).toMatch(
      /expected version 1 or 2, got 3/,
    );
    const starts = altered((copy) => {
      const part = copy.get(`${name}:starts`) as StoredTensor;
      copy.set(`${name}:starts`, { ...part, bytes: new Uint8Array(part.bytes.length).fill(255) });
      return undefined;
    });
    expect(await refusal(starts)).toMatch(/weight:starts\[0\]: expected 0, got 4294967295/);
    const read = readSafetensorsOrThrow(new Uint8Array(readFileSync(starts)));
    const checked = { ...read.metadata, "espalier.crc32": checksums ?? "" };
    writeFileSync(starts, writeSafetensors(read.tensors, checked));
    expect(await refusal(starts)).toMatch(
      /encoder.0.query.weight: expected bytes with the checksum [0-9a-f]{8}, got [0-9a-f]{8}$/m,
    );
    mkdirSync(path("indexed"));
    writeFileSync(path("indexed", "a.safetensors"), readFileSync(to));
    const names = Object.fromEntries([...parts.keys()].map((one) => [one, "a.safetensors"]));
    const index = path("indexed", "model.safetensors.index.json");
    writeFileSync(index, JSON.stringify({ weight_map: names }));
    expect(await refusal(index)).toMatch(/expected a packed file without an index/);
  });
});

test("a packed directory is loaded as the model that it holds", async () => {
  await writeModel(path("bert"));
  const prune = ["prune", path("bert"), "--pattern", "4x1", "--sparsity", "0.8"];
  expect((await espalier([...prune, "--out", path("bert-pruned")])).code).toBe(0);
  const to = await packed(path("bert-pruned"));
  expect(readdirSync(to)).not.toContain("model.safetensors");
  const file = join(to, "model.packed.safetensors");
  const pruned = await loadModelDirectory(path("bert-pruned"));
  expect(await loadModelDirectory(to)).toEqual({ ...pruned, weights: file });
  const renamed = join(to, "model.safetensors");
  writeFileSync(renamed, readFileSync(file));
  expect(await loadModelDirectory(to)).toEqual({ ...pruned, weights: renamed });
  rmSync(renamed);
  const read = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
  const name = "bert.encoder.layer.0.intermediate.dense.weight";
  const [part] = [...read.tensors.keys()].filter((one) =>
    ["starts", "rows", "bits", "indices"].some((which) => one === `${name}:${which}`),
  );
  if (part === undefined) throw new Error("expected a packed layer");
  const tensor = read.tensors.get(part) as StoredTensor;
  const broken = { ...tensor, bytes: new Uint8Array(tensor.bytes.length).fill(255) };
  writeFileSync(file, writeSafetensors(new Map(read.tensors).set(part, broken), read.metadata));
  expect(isLeft(await readModelDirectory(to))).toBe(true);
});
