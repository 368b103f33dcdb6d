/** One-shot pruning of checkpoints in memory: nothing of Node is needed. */
import { describe, expect, test } from "vitest";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { writePruned } from "../../src/checkpoint/prune.ts";
import {
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import type { Profile } from "../../src/prune/config.ts";
import type { LayerRecord } from "../../src/prune/layer.ts";
import { oneShotConfig, pruneAtOnce, pruneOnce } from "../../src/prune/once.ts";
import { memorySink, openBytes } from "./memory.ts";

const weight = (seed: number): StoredTensor =>
  tensorFromFloat32(
    "F32",
    [8, 8],
    Float32Array.from({ length: 64 }, (_, i) => Math.sin((i + 1) * seed)),
  );
const tensors = new Map([
  ["a.weight", weight(3)],
  ["b.weight", weight(5)],
  ["b.bias", tensorFromFloat32("F32", [8], new Float32Array(8).fill(1))],
]);
const options = { pattern: "4x1", targetSparsity: 0.5 };

function pruning(checkpoint: Checkpoint, profile: Profile) {
  return {
    checkpoint,
    pruners: [oneShotConfig(options)],
    profile,
    excludeHead: false,
    modules: null,
    gradients: null,
    compressedBytes: null,
    tasks: null,
    turn: async () => {},
  };
}

describe.each<Profile>(["strict", "inc"])("under %s", (profile) => {
  test("a copy has the weights of pruneOnce, and the header of the original", async () => {
    const bytes = writeSafetensors(tensors, { by: "me" });
    const { sink, files } = memorySink();
    const result = await writePruned(pruning(openBytes(bytes), profile), sink);
    const records = ["a", "b"].map((name) => {
      const { shape, ...stored } = tensors.get(`${name}.weight`) as StoredTensor;
      return { name, kind: "linear" as const, shape, data: toFloat32({ shape, ...stored }) };
    });
    const { weights } = pruneOnce(records, { ...options, profile, excludeHead: false });
    const written = files.get("model.safetensors") as Uint8Array;
    const read = readSafetensorsOrThrow(written);
    for (const { name, data } of records)
      expect(toFloat32(read.tensors.get(`${name}.weight`) as StoredTensor)).toEqual(
        weights.get(name) ?? data,
      );
    expect(read.tensors.get("b.bias")).toEqual(tensors.get("b.bias"));
    expect(read.metadata).toEqual({ by: "me" });
    expect(written.length).toBe(bytes.length);
    expect(result.layers.map(({ name, zeros }) => [name, zeros > 0])).toEqual([
      ["a", true],
      ["b", true],
    ]);
    expect(result.pruners).toEqual([{ pattern: "4x1", prunedBlocks: 16, blocks: 32 }]);
    expect(result.bytes).toMatchObject({ dense: 544, gzip: null });
  });
});

test("a rejected turn stops the run", async () => {
  const checkpoint = openBytes(writeSafetensors(tensors));
  const { sink, files } = memorySink();
  const turn = async (): Promise<void> => {
    throw new Error("stopped");
  };
  await expect(writePruned({ ...pruning(checkpoint, "strict"), turn }, sink)).rejects.toThrow(
    "stopped",
  );
  expect(files.size).toBe(0);
});

const CRITERIA = ["magnitude", "gradient", "snip", "snip_momentum"] as const;
const pairs = CRITERIA.flatMap((first) => CRITERIA.map((second) => [first, second] as const));

test.each(pairs)("pruners of one layer by %s and %s prune as the reducer does", async (...pair) => {
  for (let seed = 1; seed <= 8; seed++) {
    const checkpoint = openBytes(writeSafetensors(new Map([["a.weight", weight(seed)]])));
    const gradient = weight(seed + 0.5);
    const gradients = openBytes(writeSafetensors(new Map([["a.weight", gradient]])));
    const made = pair.map((criterion, i) =>
      oneShotConfig({ pattern: i === 0 ? "4x1" : "1x4", targetSparsity: 0.5, criterion }),
    );
    const step = Math.max(...made.map(({ startStep }) => startStep));
    const pruners = made.map((pruner) => ({ ...pruner, startStep: step, endStep: step }));
    const { sink, files } = memorySink();
    await writePruned({ ...pruning(checkpoint, "strict"), pruners, gradients }, sink);
    const layer: LayerRecord = {
      ...{ name: "a", kind: "linear" as const, shape: [8, 8] },
      ...{ data: toFloat32(weight(seed)), gradient: toFloat32(gradient) },
    };
    const { weights } = pruneAtOnce(pruners, [layer], "strict", false);
    const read = readSafetensorsOrThrow(files.get("model.safetensors") ?? new Uint8Array(0));
    expect(toFloat32(read.tensors.get("a.weight") as StoredTensor)).toEqual(weights.get("a"));
  }
});
