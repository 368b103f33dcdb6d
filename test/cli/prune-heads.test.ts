/** `espalier prune --pattern mha`, and what `shrink` makes of its result. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readSafetensorsOrThrow, toFloat32 } from "../../src/io/safetensors.ts";
import { espalier, temporaryDirectory, writeModel } from "./fixtures.ts";

const root = temporaryDirectory();
const path = (...parts: string[]): string => join(root, ...parts);
const SIZES = { num_hidden_layers: 2, num_attention_heads: 4 };
const DISTILBERT = { model_type: "distilbert", dim: 16, n_layers: 2, n_heads: 4, hidden_dim: 32 };

beforeAll(async () => {
  await writeModel(path("bert"), SIZES);
  await writeModel(path("distilbert"), DISTILBERT);
});

function prune(model: string, out: string, ...options: readonly string[]) {
  const argv = ["prune", path(model), "--pattern", "mha", "--out", path(out), ...options];
  return espalier(argv);
}

function tensors(name: string) {
  const file = readFileSync(path(name, "model.safetensors"));
  return readSafetensorsOrThrow(new Uint8Array(file)).tensors;
}

/** The values of a tensor. */
function values(directory: string, name: string): Float32Array {
  const tensor = tensors(directory).get(name);
  if (tensor === undefined) throw new Error(`no ${name}`);
  return toFloat32(tensor);
}

describe.each([
  [
    "bert",
    "bert.encoder.layer.0.attention.self",
    "query",
    "bert.encoder.layer.0.attention.output.dense",
  ],
  [
    "distilbert",
    "distilbert.transformer.layer.0.attention",
    "q_lin",
    "distilbert.transformer.layer.0.attention.out_lin",
  ],
])("heads of %s", (model, attention, query, output) => {
  test("are pruned in an exact number, and removed by shrink", async () => {
    const { code, out } = await prune(model, `${model}-half`, "--sparsity", "0.5");
    expect(code).toBe(0);
    expect(out).toMatch(/\nmha: 4 of 8 heads \(0\.5000\)\n/);
    const drawn = [...out.matchAll(/^(\S+) +([#.]{4}) +(\d)\/4$/gm)];
    expect(drawn.map(([, name]) => name)[0]).toBe(attention);
    expect(drawn).toHaveLength(2);
    const picture = drawn[0]?.[2] ?? "";
    const rows = values(`${model}-half`, `${attention}.${query}.weight`);
    const columns = values(`${model}-half`, `${output}.weight`);
    [...picture].forEach((mark, head) => {
      const own = rows.subarray(head * 64, (head + 1) * 64);
      const ofHead = columns.filter((_, i) => Math.floor((i % 16) / 4) === head);
      expect(own.every((value) => value === 0)).toBe(mark === ".");
      expect(ofHead.every((value) => value === 0)).toBe(mark === ".");
    });
    for (const [name, { bytes }] of tensors(model))
      if (!name.startsWith(attention.replace(/\.0\..*/, "")) || name.endsWith("bias"))
        expect(tensors(`${model}-half`).get(name)?.bytes).toEqual(bytes);
    const argv = [
      "shrink",
      path(`${model}-half`),
      "--heads",
      "remove",
      "--out",
      path(`${model}-small`),
    ];
    expect((await espalier(argv)).code).toBe(0);
    const config = JSON.parse(readFileSync(path(`${model}-small`, "config.json"), "utf8"));
    const removed = Object.values(config.pruned_heads as Record<string, number[]>).flat();
    expect(removed).toHaveLength(4);
  });
});

test("each layer keeps --min-heads, in JSON, too", async () => {
  const { code, out } = await prune(
    "bert",
    "three",
    "--sparsity",
    "0.25",
    "--min-heads",
    "3",
    "--json",
  );
  expect(code).toBe(0);
  const { layers, pruned, all, profile } = JSON.parse(out);
  expect({ pruned, all, profile }).toEqual({ pruned: 2, all: 8, profile: "strict" });
  for (const { heads } of layers) expect(heads.filter((bit: number) => bit === 1)).toHaveLength(3);
});

test("inc may prune all heads of a layer", async () => {
  const { code, out } = await prune("bert", "inc", "--sparsity", "0.5", "--profile", "inc");
  expect(code).toBe(0);
  expect(out).toContain("mha: 4 of 8 heads");
});

test("layers are chosen by the names of attention layers", async () => {
  const options = ["--sparsity", "0.5", "--layers", "layer\\.1"];
  const { out } = await prune("bert", "second", ...options);
  expect(out).toContain("mha: 2 of 4 heads");
});

describe("refused by name, with nothing written", () => {
  test.each([
    [["--sparsity", "0.9"], "target_sparsity: expected at most 6 of 8 heads"],
    [["--sparsity", "0.5", "--min-heads", "3"], "target_sparsity: expected at most 2 of 8 heads"],
    [["--sparsity", "0.5", "--profile", "inc", "--min-heads", "1"], "minHeads: expected none"],
    [["--sparsity", "0.5", "--layers", "none"], "op_names: expected to match an attention layer"],
    [["--sparsity", "0.5", "--criterion", "snip"], "--criterion: expected magnitude"],
    [["--sparsity", "0.5", "--gzip"], "--gzip: expected no such option with the pattern mha"],
    [[], "--sparsity: expected a number at least 0 and below 1, got none"],
  ])("%j", async (options, message) => {
    const { code, err } = await prune("bert", "refused", ...options);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(existsSync(path("refused"))).toBe(false);
  });

  test("--min-heads with another pattern", async () => {
    const argv = ["prune", path("bert"), "--pattern", "4x1", "--sparsity", "0.5"];
    const { code, err } = await espalier([...argv, "--min-heads", "1", "--out", path("refused")]);
    expect(code).toBe(2);
    expect(err).toContain("--min-heads: expected the pattern mha with it, got 4x1");
  });
});
