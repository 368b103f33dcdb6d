/** `espalier prune` on files, indices and directories. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type Dtype, rawElements } from "../../src/io/dtypes.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { pruneCheckpoint } from "../../src/node/checkpoint-copies.ts";
import { openCheckpointOrThrow } from "../../src/node/checkpoint-reader.ts";
import { oneShotConfig, type PruneOnceOptions, pruneOnce } from "../../src/prune/once.ts";
import { espalier, temporaryDirectory, writeModel, writeShards } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);

/** Values that all differ in size, with both signs; exact in any floating-point type up to 64. */
const values = (count: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, i) => (((i * 37 + seed * 11) % 61) + 1) * (i % 2 ? -1 : 1),
  );

const weight = (dtype: "F64" | "F32" | "F16" | "BF16", rows: number, seed: number): StoredTensor =>
  tensorFromFloat32(dtype, [rows, 8], values(rows * 8, seed));

const tensors: ReadonlyMap<string, StoredTensor> = new Map([
  ["embeddings.word_embeddings.weight", weight("F32", 9, 1)],
  ["encoder.0.query.weight", weight("BF16", 8, 2)],
  ["encoder.0.query.bias", tensorFromFloat32("F32", [8], values(8, 3))],
  ["encoder.1.query.weight", weight("F16", 4, 4)],
  ["encoder.2.query.weight", weight("F64", 12, 5)],
  ["encoder.3.query.weight", { dtype: "I8", shape: [4, 8], bytes: new Uint8Array(32).fill(7) }],
  ["encoder.4.query.weight", weight("F32", 6, 6)],
  ["classifier.weight", weight("F32", 4, 7)],
]);
const PRUNED = ["encoder.0.query", "encoder.1.query", "encoder.2.query"];

beforeAll(() => {
  writeFileSync(path("model.safetensors"), writeSafetensors(tensors, { format: "pt" }));
  writeShards(path("sharded"), tensors);
  writeFileSync(path("sharded", "config.json"), '{"model_type": "another", "kept": [1]}');
  writeFileSync(path("sharded", "pytorch_model.bin"), "weights in another format");
  mkdirSync(path("sharded", "onnx"));
  writeFileSync(path("sharded", "onnx", "notes.txt"), "notes");
});

/** What pruning the same tensors in memory, in the order of a file's, gives by tensor. */
function inMemory(
  order: Iterable<string>,
  options: PruneOnceOptions,
  gradients?: ReadonlyMap<string, StoredTensor>,
): ReadonlyMap<string, Uint8Array> {
  const names = [...order].filter((name) => /^encoder\.[0124]\.query\.weight$/.test(name));
  const records = names.map((full) => {
    const name = full.replace(/\.weight$/, "");
    const stored = tensors.get(full) as StoredTensor;
    const gradient = gradients?.get(`${name}.weight`);
    return {
      ...{ name, kind: "linear" as const, shape: stored.shape, data: toFloat32(stored) },
      ...(gradient && { gradient: toFloat32(gradient) }),
    };
  });
  const { masks } = pruneOnce(records, { ...options, excludeHead: false });
  return new Map(
    [...tensors].map(([name, stored]) => {
      const mask = masks.get(name.replace(/\.weight$/, ""));
      const bytes = stored.bytes.slice();
      const elements = rawElements(stored.dtype as Dtype, bytes);
      mask?.forEach((bit, i) => {
        if (bit === 0) elements[i] = 0;
      });
      return [name, bytes];
    }),
  );
}

function bytesIn(file: string): ReadonlyMap<string, Uint8Array> {
  const read = readSafetensorsOrThrow(new Uint8Array(readFileSync(file)));
  return new Map([...read.tensors].map(([name, { bytes }]) => [name, bytes.slice()]));
}

let made = 0;
const target = (): string => path(`out-${made++}`);

describe("espalier prune", () => {
  test.each<[string, readonly string[], PruneOnceOptions]>([
    ["4x1, global", [], { pattern: "4x1", targetSparsity: 0.5 }],
    ["local", ["--scope", "local"], { pattern: "4x1", targetSparsity: 0.7, scope: "local" }],
    ["2:4", [], { pattern: "2:4", targetSparsity: 0.5 }],
    ["2:4, half of the groups", [], { pattern: "2:4", targetSparsity: 0.25 }],
    [
      "bounds",
      ["--min-sparsity-per-layer", "0.4", "--max_sparsity_ratio_per_op=0.55"],
      {
        ...{ pattern: "1x4", targetSparsity: 0.5 },
        ...{ minSparsityRatioPerOp: 0.4, maxSparsityRatioPerOp: 0.55 },
      },
    ],
    ["inc", ["--profile", "inc"], { pattern: "4x1", targetSparsity: 0.5, profile: "inc" }],
  ])("gives what pruning in memory gives, and nothing else: %s", async (_, more, options) => {
    const { pattern, targetSparsity } = options;
    const [from, to] = [path("model.safetensors"), target()];
    const argv = ["prune", from, "--pattern", String(pattern), "--exclude", "encoder.4"];
    // A layer that the pattern does not divide is one that INC cannot go on with.
    const excludes = options.profile === "inc" ? argv : argv.slice(0, -2);
    const { code, out, err } = await espalier([
      ...[...excludes, "--sparsity", String(targetSparsity), "--out", to],
      ...more,
    ]);
    expect({ code, err: err.replace(/^prune .*\n/gm, "") }).toEqual({ code: 0, err: "" });
    const excludedOpNames = options.profile === "inc" ? ["encoder.4"] : [];
    const written = bytesIn(to);
    expect(written).toEqual(inMemory(written.keys(), { ...options, excludedOpNames }));
    expect(out).toContain("left alone: a head by its name: classifier.weight (32 elements");
    expect(out).toContain("left alone: I8 elements cannot be pruned: encoder.3.query.weight (");
    expect(out).toContain("left alone: an embedding: embeddings.word_embeddings.weight (72 ");
    const [before, after] = [readFileSync(from), readFileSync(to)];
    const header = 8 + Number(before.readBigUInt64LE(0));
    expect(after.subarray(0, header)).toEqual(before.subarray(0, header));
  });

  test("what it writes passes verification", async () => {
    const to = target();
    const argv = ["prune", path("model.safetensors"), "--pattern", "4x1", "--out", to];
    expect((await espalier([...argv, "--sparsity", "0.5"])).code).toBe(0);
    const check = ["verify", to, "--pattern", "4x1", "--layers", "encoder.[012]", "--exact"];
    expect((await espalier([...check, "--min-sparsity", "0.5"])).code).toBe(0);
    expect((await espalier([...check, "--min-sparsity", "0.6"])).code).toBe(1);
  });

  test("copies a directory with everything in it but weights in other formats", async () => {
    const to = target();
    const argv = ["prune", path("sharded"), "--pattern", "4x1", "--sparsity", "0.5", "--out", to];
    const { code, out } = await espalier(argv);
    expect(code).toBe(0);
    expect(out).toContain("not copied: pytorch_model.bin, which holds weights");
    expect(readdirSync(to).sort()).toEqual(
      readdirSync(path("sharded"))
        .filter((name) => name !== "pytorch_model.bin")
        .sort(),
    );
    for (const name of ["config.json", "onnx/notes.txt", "model.safetensors.index.json"])
      expect(readFileSync(join(to, name))).toEqual(readFileSync(path("sharded", name)));
    const shards = readdirSync(to).filter((name) => name.endsWith(".safetensors"));
    const read = new Map(shards.flatMap((name) => [...bytesIn(join(to, name))]));
    expect(read).toEqual(inMemory(read.keys(), { pattern: "4x1", targetSparsity: 0.5 }));
  });

  test("copies an index and its files alone", async () => {
    const to = target();
    const index = path("sharded", "model.safetensors.index.json");
    const argv = ["prune", index, "--pattern", "4x1", "--sparsity", "0.5", "--out", to];
    expect((await espalier(argv)).code).toBe(0);
    expect(readdirSync(to)).toHaveLength(3);
  });

  test("takes gradients from a checkpoint", async () => {
    const gradients = new Map(
      [...tensors].map(([name, { shape }], i) => {
        const count = shape.reduce((a, b) => a * b, 1);
        return [
          name,
          tensorFromFloat32(
            "F32",
            shape,
            values(count, 20 + i).map((x) => 1 / x),
          ),
        ];
      }),
    );
    writeFileSync(path("gradients.safetensors"), writeSafetensors(gradients));
    for (const criterion of ["gradient", "snip", "snip_momentum"] as const) {
      const to = target();
      const argv = ["prune", path("model.safetensors"), "--pattern", "4x1", "--sparsity", "0.5"];
      const more = ["--criterion", criterion, "--gradients", path("gradients.safetensors")];
      expect((await espalier([...argv, ...more, "--out", to])).code).toBe(0);
      const options = { pattern: "4x1", targetSparsity: 0.5, criterion };
      const written = bytesIn(to);
      expect(written).toEqual(inMemory(written.keys(), options, gradients));
    }
  });

  test("takes several pruners from a configuration, in JSON lines as well", async () => {
    const config = path("mixed.yaml");
    writeFileSync(
      config,
      "- {op_names: ['encoder.0'], pattern: '4x1', target_sparsity: 0.5}\n" +
        "- {op_names: ['encoder.[12]'], pattern: '2:4', target_sparsity: 0.5, pruning_scope: local}\n",
    );
    const argv = ["prune", path("model.safetensors"), "--config", config];
    const more = ["--criterion", "magnitude", "--json"];
    const results = [];
    for (const profile of ["strict", "inc"]) {
      const to = target();
      const { code, out } = await espalier([...argv, ...more, "--profile", profile, "--out", to]);
      expect(code).toBe(0);
      const { layers, pruners, coverage, zeros, elements } = JSON.parse(out);
      expect({ pruners, zeros, elements }).toEqual({
        pruners: [
          { pattern: "4x1", prunedBlocks: 8, blocks: 16 },
          { pattern: "2:4", prunedBlocks: 32, blocks: 32 },
        ],
        ...{ zeros: 96, elements: 192 },
      });
      expect(layers.map(({ name }: { name: string }) => name).sort()).toEqual(PRUNED);
      expect(coverage.left).toContainEqual(
        expect.objectContaining({
          ...{ name: "encoder.4.query.weight", reason: "matches none of op_names" },
        }),
      );
      results.push(bytesIn(to));
    }
    expect(results[1]).toEqual(results[0]);
  });

  test("two pruners of one layer see each other's zeros, one layer in memory or all", async () => {
    const config = path("twice.yaml");
    writeFileSync(
      config,
      "- {op_names: ['encoder.[012]'], pattern: '4x1', target_sparsity: 0.5}\n" +
        "- {op_names: ['encoder.[12]'], pattern: '1x4', target_sparsity: 0.5}\n",
    );
    const to = target();
    const argv = ["prune", path("model.safetensors"), "--config", config, "--out", to];
    const { code, out } = await espalier([...argv, "--criterion", "magnitude", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out).pruners).toMatchObject([{ prunedBlocks: 24 }, { prunedBlocks: 16 }]);
    const check = ["verify", to, "--layers", "encoder.0", "--pattern", "4x1", "--exact"];
    expect((await espalier(check)).code).toBe(0);
  });

  test("makes a file of safetensors of a state dict, and writes what is tied once", async () => {
    const from = fileURLToPath(new URL("../io/torch/zip.bin", import.meta.url));
    const twin = fileURLToPath(new URL("../io/torch/twin.safetensors", import.meta.url));
    mkdirSync(path("torch"));
    copyFileSync(from, path("torch", "pytorch_model.bin"));
    writeFileSync(path("torch", "vocab.txt"), "a\n");
    const to = target();
    const argv = ["prune", path("torch"), "--pattern", "2:4", "--sparsity", "0.5", "--out", to];
    const { code, out } = await espalier(argv);
    expect(code).toBe(0);
    expect(out).toContain("written once: tied.1.weight is tied.0.weight\n");
    expect(readdirSync(to).sort()).toEqual(["model.safetensors", "vocab.txt"]);
    const [written, before] = [bytesIn(join(to, "model.safetensors")), bytesIn(twin)];
    expect(new Set([...written.keys(), "tied.1.weight"])).toEqual(new Set(before.keys()));
    const changed = [...written].filter(
      ([name, bytes]) => Buffer.compare(bytes, before.get(name) ?? bytes) !== 0,
    );
    expect(changed.map(([name]) => name).sort()).toEqual(["parameter.weight", "tied.0.weight"]);
    const check = ["verify", to, "--pattern", "2:4", "--exact"];
    expect((await espalier(check)).code).toBe(1);
    expect((await espalier([...check, "--allow-uncovered", "."])).code).toBe(0);
  });

  test("leaves a layer alone that is an embedding by another name", async () => {
    const file = readFileSync(new URL("../io/torch/legacy.bin", import.meta.url));
    const renamed = Buffer.from(
      file.toString("latin1").replace("tied.1.weight", "embeds.weight"),
      "latin1",
    );
    writeFileSync(path("embedded.bin"), renamed);
    const to = target();
    const { code, out } = await espalier([
      ...["prune", path("embedded.bin"), "--pattern", "2:4", "--sparsity", "0.5"],
      ...["--out", to, "--json"],
    ]);
    expect(code).toBe(0);
    const { layers, coverage } = JSON.parse(out);
    expect(layers).toMatchObject([{ name: "parameter" }]);
    expect(coverage.left).toContainEqual(
      expect.objectContaining({
        ...{ name: "tied.0.weight", reason: "an embedding, also named embeds.weight" },
      }),
    );
    // The copy has the other name in its metadata, so verify leaves the same tensor alone.
    const verified = await espalier([
      ...["verify", to, "--pattern", "2:4", "--allow-uncovered", ".", "--json"],
    ]);
    expect(verified.code).toBe(0);
    expect(JSON.parse(verified.out).coverage.left).toContainEqual(
      expect.objectContaining({
        ...{ name: "tied.0.weight", reason: "an embedding, also named embeds.weight" },
      }),
    );
  });

  test("takes layers in the order of a model that is known", async () => {
    const model = await writeModel(path("bert"));
    const to = target();
    const argv = ["prune", model, "--pattern", "4x1", "--sparsity", "0.5", "--out", to, "--json"];
    const { code, out } = await espalier(argv);
    expect(code).toBe(0);
    const { order, layers, coverage, assumptions } = JSON.parse(out);
    expect(order).toBe("config.json");
    expect(assumptions).toEqual([]);
    expect(layers[0]).toMatchObject({ name: "bert.encoder.layer.0.attention.self.query" });
    const tables = coverage.left.filter(({ role }: { role: string }) => role === "embedding");
    expect(tables.map(({ name }: { name: string }) => name).sort()).toEqual([
      "bert.embeddings.position_embeddings.weight",
      "bert.embeddings.token_type_embeddings.weight",
      "bert.embeddings.word_embeddings.weight",
    ]);
  });

  test.each<[readonly string[], RegExp]>([
    [[], /^--pattern: expected a pattern such as .*, got none\n--sparsity: expected a number/],
    [["--pattern", "2:4", "--sparsity", "0.9"], /^--sparsity: expected at most 0\.5, all that 2:4/],
    [
      ["--pattern", "4x1", "--sparsity", "1.5"],
      /^--sparsity: expected a number at least 0 and below/,
    ],
    [
      ["--pattern", "5x3", "--sparsity", "0.5"],
      /^pattern: expected one that divides a selected layer, got 5x3, which divides none of 4\n$/,
    ],
    [
      ["--pattern", "4x1", "--sparsity", "0.5", "--layers", "decoder"],
      /expected a layer to prune, got none \(.*not matched by decoder/,
    ],
    [["--pattern", "4x1", "--sparsity", "0.5", "--layers", "["], /^--layers: expected a regular/],
    [
      ["--pattern", "4x1", "--sparsity", "0.5", "--criterion", "snip"],
      /^--gradients: expected a checkpoint of gradients for snip/,
    ],
    [
      ["--pattern", "4x1", "--sparsity", "0.5", "--max-sparsity-per-layer", "0.2"],
      /^max_sparsity_ratio_per_op: expected room for/,
    ],
    [["--config", "c.yaml", "--pattern", "4x1"], /^--config: expected to say alone/],
    [["--config", "none.yaml"], /^--config: expected a file, got none\.yaml \(does not exist\)/],
  ])("refuses %j and writes nothing", async (more, message) => {
    const before = readdirSync(root);
    const argv = ["prune", path("model.safetensors"), "--out", target(), ...more];
    const { code, out, err } = await espalier(argv);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(message);
    expect(readdirSync(root)).toEqual(before);
  });

  test("refuses what is there already, places inside of what it reads, and no place", async () => {
    const how = ["--pattern", "4x1", "--sparsity", "0.5"];
    const on = async (from: string, ...more: string[]) =>
      (await espalier(["prune", path(from), ...how, ...more])).err;
    const there = path("model.safetensors");
    expect(await on("sharded", "--out", there)).toMatch(/expected a path where nothing is yet/);
    expect(await on("sharded", "--out", path("sharded", "x"))).toMatch(
      /expected a path outside of/,
    );
    expect(await on("sharded", "--out", path("no", "x"))).toMatch(/in a directory that exists/);
    expect(await on("sharded")).toMatch(/^--out: expected a path for the copy, got none\n$/);
    expect(await on("nothing", "--out", target())).toMatch(/expected a checkpoint, got nothing/);
  });

  test("refuses a score that is no number by layer, and leaves nothing", async () => {
    const data = values(32, 1);
    data[5] = Number.NaN;
    const bad = new Map([["fc1.weight", tensorFromFloat32("F32", [4, 8], data)]]);
    writeFileSync(path("nan.safetensors"), writeSafetensors(bad));
    const before = readdirSync(root);
    const argv = ["prune", path("nan.safetensors"), "--pattern", "4x1", "--sparsity", "0.5"];
    for (const scope of ["global", "local"]) {
      const { code, err } = await espalier([...argv, "--scope", scope, "--out", target()]);
      expect(code).toBe(2);
      expect(err).toMatch(/^(prune .*\n)?fc1: expected finite scores, got NaN at position 5\n$/);
    }
    expect(readdirSync(root)).toEqual(before);
  });
});

test.each([
  ["prune", "--pattern", "4x1", "--sparsity", "0.5", "--out", "stopped"],
  ["verify", "--pattern", "4x1"],
  ["inspect"],
])("%s stops between tensors when it is interrupted, and leaves nothing", async (name, ...more) => {
  const before = readdirSync(root);
  const argv = [
    name,
    path("model.safetensors"),
    ...more.map((one) => one.replace("stopped", target())),
  ];
  const { code, out } = await espalier(argv, AbortSignal.abort());
  expect({ code, out }).toEqual({ code: 130, out: "" });
  expect(readdirSync(root)).toEqual(before);
});

describe("a state dict in several files with an index", () => {
  const directory = fileURLToPath(new URL("../io/torch/sharded", import.meta.url));
  const twin = fileURLToPath(new URL("../io/torch/twin.safetensors", import.meta.url));

  test("is pruned as its twin in safetensors is", async () => {
    const argv = ["--pattern", "1x4", "--sparsity", "0.5", "--layers", "parameter", "--out"];
    const [one, two, three] = [target(), target(), target()];
    expect((await espalier(["prune", twin, ...argv, one])).code).toBe(0);
    const pruned = await espalier(["prune", directory, ...argv, two]);
    expect(pruned.code).toBe(0);
    expect(readdirSync(two)).toEqual(["model.safetensors"]);
    expect(pruned.out).not.toContain("not copied");
    const expected = new Map(bytesIn(one));
    // The twin has both names of a tensor.
    expect(pruned.out).toContain("written once: tied.1.weight is tied.0.weight\n");
    expected.delete("tied.1.weight");
    expect(bytesIn(join(two, "model.safetensors"))).toEqual(expected);
    const index = join(directory, "pytorch_model.bin.index.json");
    expect((await espalier(["prune", index, ...argv, three])).code).toBe(0);
    expect(bytesIn(three)).toEqual(expected);
  });

  test("is refused where the index and the files disagree, or a name leads elsewhere", async () => {
    const copy = path("bins");
    mkdirSync(copy);
    for (const name of readdirSync(directory))
      copyFileSync(join(directory, name), join(copy, name));
    const index = join(copy, "pytorch_model.bin.index.json");
    const { weight_map } = JSON.parse(readFileSync(index, "utf8"));
    const refusal = async (map: unknown) => {
      writeFileSync(index, JSON.stringify({ weight_map: map }));
      const { code, err } = await espalier(["inspect", copy]);
      expect(code).toBe(2);
      return err;
    };
    expect(await refusal({ ...weight_map, more: "pytorch_model-00001-of-00002.bin" })).toMatch(
      /more: expected this tensor in pytorch_model-00001-of-00002\.bin, got none/,
    );
    expect(await refusal({ ...weight_map, more: "../zip.bin" })).toMatch(
      /more: expected the name of a \.bin file in the same directory/,
    );
    writeFileSync(join(copy, "pytorch_model-00002-of-00002.bin"), "no state dict");
    expect(await refusal(weight_map)).toMatch(/pytorch_model-00002-of-00002\.bin/);
  });
});

test("a layer that is its embedding's twin, bit for bit, is left alone and named", async () => {
  const shared = tensorFromFloat32("F32", [8, 8], values(64, 3));
  const file = path("twins.safetensors");
  const more = weight("F32", 8, 4);
  const all = new Map([
    ["embed_tokens.weight", shared],
    ["lm_head.weight", shared],
    ["layer.weight", more],
  ]);
  writeFileSync(file, writeSafetensors(all));
  const argv = ["prune", file, "--pattern", "4x1", "--sparsity", "0.5", "--exclude-head=false"];
  const { code, out } = await espalier([...argv, "--gzip", "--out", target()]);
  expect(code).toBe(0);
  expect(out).toContain(
    "left alone: an embedding, also named embed_tokens.weight: lm_head.weight (",
  );
  expect(out).toMatch(/^layer +8x8 +32\/64 +0\.5000 +256 +136 +\d+$/m);
  expect(out).toMatch(/^all tensors: 768 bytes, packed 648 \(0\.8438\), gzip \d+ \(0\.\d+\)$/m);
});

describe("the progress of pruning", () => {
  test("ends where all bytes of tensors are written, whichever form they were in", async () => {
    const packed = target();
    expect((await espalier(["pack", path("model.safetensors"), "--out", packed])).code).toBe(0);
    const torch = fileURLToPath(new URL("../io/torch/zip.bin", import.meta.url));
    for (const from of [path("model.safetensors"), packed, torch]) {
      const checkpoint = await openCheckpointOrThrow(from);
      const seen: (readonly [number, number])[] = [];
      await pruneCheckpoint({
        ...{ checkpoint, from, to: target(), profile: "strict", excludeHead: true },
        ...{ modules: null, gradients: null },
        pruners: [oneShotConfig({ pattern: "1x4", targetSparsity: 0.5, scope: "local" })],
        onProgress: (done, total) => void seen.push([done, total]),
      });
      checkpoint.close();
      // In the last pass, that of writing, the total is known.
      const [done] = seen.at(-1) ?? [];
      const totals = seen.slice(-checkpoint.entries.length).map(([, total]) => total);
      expect(new Set(totals)).toEqual(new Set([done]));
    }
  });
});
