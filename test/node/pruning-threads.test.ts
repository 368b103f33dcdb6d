/** Pruning on threads of the built command. */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { getOrThrow } from "../../src/core/either.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { pruneCheckpoint } from "../../src/node/checkpoint-copies.ts";
import { openCheckpointOrThrow, openNamed } from "../../src/node/checkpoint-reader.ts";
import type { PatternPrunerConfig, Profile } from "../../src/prune/config.ts";
import { PruningError } from "../../src/prune/layer.ts";
import { oneShotConfig } from "../../src/prune/once.ts";
import { needing } from "../needs.ts";

const SCRIPT = new URL("../../dist/cli.js", import.meta.url);
const isBuilt = existsSync(SCRIPT);
if (!isBuilt) console.warn("test/node/pruning-threads.test.ts: skipped, because dist is not built");

const root = mkdtempSync(join(tmpdir(), "espalier-threads-"));
const from = join(root, "model.safetensors");
const gradients = join(root, "gradients.safetensors");

/** Values with ties, of several types, shapes and roles. */
function tensors(seed: number): ReadonlyMap<string, StoredTensor> {
  const values = (count: number, step: number): Float32Array =>
    Float32Array.from({ length: count }, (_, i) => ((i * step + seed * 7) % 23) - 11);
  return new Map([
    ["a.weight", tensorFromFloat32("F32", [16, 32], values(512, 5))],
    ["a.bias", tensorFromFloat32("F32", [16], values(16, 3))],
    ["b.weight", tensorFromFloat32("BF16", [16, 32], values(512, 9))],
    ["c.weight", tensorFromFloat32("F16", [8, 16, 3], values(384, 2))],
    ["d.weight", tensorFromFloat32("F64", [8, 64], values(512, 13))],
    ["mlp.experts.w1.weight", tensorFromFloat32("F32", [3, 8, 16], values(384, 11))],
    ["e.weight", tensorFromFloat32("F32", [16, 32], values(512, 4))],
    ["indivisible.weight", tensorFromFloat32("F32", [6, 10], values(60, 4))],
  ]);
}
writeFileSync(from, writeSafetensors(tensors(1)));
writeFileSync(gradients, writeSafetensors(tensors(2)));

let copies = 0;
async function pruned(
  pruners: readonly PatternPrunerConfig[],
  threads: number,
  source: string = from,
  profile: Profile = "strict",
) {
  const to = join(root, `copy-${copies++}.safetensors`);
  const checkpoint = await openCheckpointOrThrow(source);
  const others = await openCheckpointOrThrow(gradients);
  try {
    const result = await pruneCheckpoint({
      ...{ checkpoint, from: source, to, pruners, profile, threads, workerScript: SCRIPT },
      ...{ excludeHead: false, modules: null, gradients: others },
    });
    return { bytes: readFileSync(to), result };
  } finally {
    checkpoint.close();
    others.close();
  }
}

const global = oneShotConfig({ pattern: "4x1", targetSparsity: 0.5 });
const groups = oneShotConfig({ pattern: "2:4", targetSparsity: 0.3, scope: "global" });
const cases: Readonly<Record<string, readonly PatternPrunerConfig[]>> = {
  "4x1, global": [global],
  "2:4, global": [groups],
  "2:4, all": [oneShotConfig({ pattern: "2:4", targetSparsity: 0.5 })],
  "1x1, local": [oneShotConfig({ pattern: "1x1", targetSparsity: 0.7, scope: "local" })],
  "4x1 by gradients within bounds": [
    oneShotConfig({
      ...{ pattern: "4x1", targetSparsity: 0.5, criterion: "snip" },
      ...{ minSparsityRatioPerOp: 0.4, maxSparsityRatioPerOp: 0.55 },
    }),
  ],
  "two pruners": [groups, { ...global, excludedOpNames: ["^b$"] }],
};

describe.skipIf(!isBuilt)(needing("a build", "pruning on threads"), () => {
  test.each(Object.entries(cases))("gives the same bytes and results: %s", async (_, pruners) => {
    const here = await pruned(pruners, 1);
    for (const threads of [2, 3]) expect(await pruned(pruners, threads)).toEqual(here);
  });

  test("opens a checkpoint that has a name in place of its path", async () => {
    const named = join(root, "named");
    mkdirSync(named);
    copyFileSync(from, join(named, "model.safetensors"));
    const checkpoint = getOrThrow(await openNamed({ path: named, name: "org/name" }));
    expect(checkpoint.path).toBe("org/name/model.safetensors");
    const to = join(root, "named-copy");
    const options = { excludeHead: false, modules: null, gradients: null, threads: 2 } as const;
    await pruneCheckpoint({
      ...{ checkpoint, from: named, to, pruners: [global], profile: "strict" },
      ...{ ...options, workerScript: SCRIPT },
    });
    checkpoint.close();
    const { bytes } = await pruned([global], 1);
    expect(readFileSync(join(to, "model.safetensors"))).toEqual(bytes);
  });

  test("throws the error of the first layer, and leaves nothing", async () => {
    const broken = join(root, "broken.safetensors");
    const values = new Float32Array(16).fill(Number.NaN);
    const tensor = tensorFromFloat32("F32", [4, 4], values);
    writeFileSync(
      broken,
      writeSafetensors(
        new Map([
          ["x.weight", tensor],
          ["y.weight", tensor],
        ]),
      ),
    );
    for (const threads of [1, 2]) {
      const failing = pruned([global], threads, broken);
      await expect(failing).rejects.toThrow(PruningError);
      await expect(failing).rejects.toThrow(/^x: expected finite scores, got NaN at position 0$/);
    }
    expect(readdirSync(root).filter((name) => name.includes("tmp"))).toEqual([]);
  });
});
