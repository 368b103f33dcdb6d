import { expect, test } from "vitest";
import { packedParts, writePacked, writeUnpacked } from "../../src/checkpoint/pack.ts";
import { surveyCheckpoint } from "../../src/checkpoint/survey.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { memorySink, openBytes } from "./memory.ts";

const sparse = tensorFromFloat32("F32", [16, 4], new Float32Array(64).fill(1, 8, 12));
const plain = writeSafetensors(
  new Map([
    ["a.weight", sparse],
    ["word_embeddings.weight", tensorFromFloat32("F32", [9, 4], new Float32Array(36).fill(2))],
  ]),
  { format: "pt" },
);

test("packing in memory and unpacking give the same bytes", async () => {
  const packed = memorySink();
  const progress: (readonly [number, number])[] = [];
  const onProgress = (done: number, total: number) => progress.push([done, total]);
  const { tensors } = await writePacked({ checkpoint: openBytes(plain), onProgress }, packed.sink);
  const bytes = packed.files.get("model.packed.safetensors") as Uint8Array;
  expect(bytes.length).toBeGreaterThan(0);
  expect(tensors.map(({ name, layout }) => [name, layout])).toEqual([
    ["a.weight", "bitmask F32"],
    ["word_embeddings.weight", "dense"],
  ]);
  // Every tensor is read twice.
  expect(progress.at(-1)).toEqual([800, 800]);
  const survey = surveyCheckpoint(openBytes(plain));
  expect(
    packedParts(tensors, survey).map(({ bytes: dense, packedBytes }) => [dense, packedBytes]),
  ).toEqual([
    [256, 24],
    [144, 144],
    [256, 24],
    [400, 168],
  ]);
  const checkpoint = openBytes(bytes);
  expect(checkpoint.layout).toBe("packed");
  const unpacked = memorySink();
  await writeUnpacked({ checkpoint }, unpacked.sink);
  expect(unpacked.files.get("model.safetensors")).toEqual(plain);
});
