/** One-shot pruning of a safetensors file in memory, beside the command. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  type PruneSafetensorsOptions,
  pruneSafetensors,
} from "../../src/checkpoint/prune-safetensors.ts";
import { InputError } from "../../src/core/either.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { espalier, temporaryDirectory } from "../cli/fixtures.ts";

const root = temporaryDirectory();

function tensorsOf(seed: number): ReadonlyMap<string, StoredTensor> {
  const weight = (rows: number, at: number): StoredTensor =>
    tensorFromFloat32(
      at % 2 === 0 ? "F32" : "BF16",
      [rows, 8],
      Float32Array.from({ length: rows * 8 }, (_, i) => Math.sin((i + 1) * (seed + at))),
    );
  return new Map([
    ["encoder.0.query.weight", weight(8, 2)],
    ["encoder.0.query.bias", tensorFromFloat32("F32", [8], new Float32Array(8).fill(1))],
    ["encoder.1.query.weight", weight(4, 3)],
    ["classifier.weight", weight(4, 4)],
  ]);
}
const dense = writeSafetensors(tensorsOf(1), { format: "pt" });
const gradients = writeSafetensors(tensorsOf(7));
const paths = { dense: join(root, "dense.safetensors"), gradients: join(root, "g.safetensors") };
writeFileSync(paths.dense, dense);
writeFileSync(paths.gradients, gradients);

/** The problems that a call is refused with. */
async function problemsOf(bytes: Uint8Array, options: PruneSafetensorsOptions): Promise<string> {
  const error: unknown = await pruneSafetensors(bytes, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof InputError)) throw new Error(`expected an InputError, got ${error}`);
  return error.message;
}

describe("the bytes are those of the command", () => {
  const half = { pattern: "4x1", sparsity: 0.5 } as const;
  const CASES: readonly (readonly [PruneSafetensorsOptions, ...string[]])[] = [
    [half],
    [{ ...half, profile: "inc" }, "--profile", "inc"],
    [
      { ...half, scope: "local", scoreReduction: "max" },
      "--scope",
      "local",
      "--score-reduction",
      "max",
    ],
    [{ ...half, exclude: "encoder.1" }, "--exclude", "encoder.1"],
    [{ ...half, excludeHead: false }, "--exclude-head", "false"],
    [
      { ...half, criterion: "snip", gradients },
      "--criterion",
      "snip",
      "--gradients",
      paths.gradients,
    ],
    [{ ...half, maxSparsityPerLayer: 0.6 }, "--max-sparsity-per-layer", "0.6"],
  ];

  test.each(CASES.map(([options, ...argv], i) => ({ i, options, argv })))(
    "$i: $argv",
    async ({ i, options, argv }) => {
      const to = join(root, `pruned-${i}.safetensors`);
      const base = ["--pattern", "4x1", "--sparsity", "0.5", "--out", to];
      const { code, err } = await espalier(["prune", paths.dense, ...base, ...argv, "--json"]);
      expect({ code, err: err.replace(/^prune .*\n/gm, "") }).toEqual({ code: 0, err: "" });
      const { bytes, report } = await pruneSafetensors(dense, options);
      expect(bytes).toEqual(new Uint8Array(readFileSync(to)));
      expect(report.layers.some(({ zeros }) => zeros > 0)).toBe(true);
    },
  );
});

test("a configuration takes the place of options, and the input is not changed", async () => {
  const before = dense.slice();
  const config = { pattern: "4x1", target_sparsity: 0.5 };
  const byConfig = await pruneSafetensors(dense, { config, criterion: "magnitude" });
  expect(byConfig.bytes).toEqual(
    (await pruneSafetensors(dense, { pattern: "4x1", sparsity: 0.5 })).bytes,
  );
  expect(dense).toEqual(before);
});

test("all problems of options and files come in one error", async () => {
  const message = await problemsOf(Uint8Array.of(1, 2, 3), { pattern: "4y1", layers: "(" });
  expect(message).toMatch(/^`layers`: .*\n`pattern`: .*\n`sparsity`: .*\nbytes: /);
  expect(await problemsOf(dense, { pattern: "2:4", sparsity: 0.6 })).toContain("at most 0.5");
  expect(await problemsOf(dense, { pattern: "4x1", sparsity: 0.5, criterion: "snip" })).toContain(
    "`gradients`",
  );
});

test.each(["inc", "strict"] as const)(
  "the given bytes stay, also of a Buffer: %s",
  async (profile) => {
    const given = Buffer.from(dense);
    const { bytes } = await pruneSafetensors(given, { pattern: "2:4", sparsity: 0.5, profile });
    expect(given.equals(dense)).toBe(true);
    expect(given.equals(bytes)).toBe(false);
  },
);
