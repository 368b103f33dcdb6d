import { describe, expect, test } from "vitest";
import { openCheckpointFile } from "../../src/checkpoint/open.ts";
import {
  type PackCheckpointOptions,
  packedFileBytes,
  packedParts,
  writePacked,
  writeUnpacked,
} from "../../src/checkpoint/pack.ts";
import { CHECKSUM_METADATA } from "../../src/checkpoint/packed-checksums.ts";
import type { RoleOverride } from "../../src/checkpoint/roles.ts";
import { surveyCheckpoint } from "../../src/checkpoint/survey.ts";
import { InputError, isLeft } from "../../src/core/either.ts";
import {
  readSafetensorsOrThrow,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { memoryFile, memorySink, openBytes } from "./memory.ts";

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

describe("integers with scales of rows", () => {
  const values = Float32Array.from({ length: 80 * 64 }, (_, i) => Math.sin(i * i));
  const pruned = values.map((value, i) =>
    ((i % 64) + 7 * Math.floor(i / 256)) % 10 === 0 ? value : 0,
  );
  const names = ["word_embeddings.weight", "query.weight", "query.bias", "classifier.weight"];
  const model = writeSafetensors(
    new Map([
      ["word_embeddings.weight", tensorFromFloat32("F32", [80, 64], values)],
      ["query.weight", tensorFromFloat32("F32", [80, 64], pruned)],
      ["query.bias", tensorFromFloat32("F32", [80], values.slice(0, 80))],
      ["classifier.weight", tensorFromFloat32("F32", [2, 64], values.slice(0, 128))],
    ]),
  );
  const packedWith = async (options: PackCheckpointOptions) => {
    const { sink, files } = memorySink();
    const { tensors } = await writePacked({ checkpoint: openBytes(model), ...options }, sink);
    const file = files.get("model.packed.safetensors") ?? new Uint8Array(0);
    return { file, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
  };

  test("are for layers and embeddings, and unpack to a plain model within the stated error", async () => {
    const { file, tensors } = await packedWith({ int8: true, dtype: "F16" });
    expect(names.map((name) => tensors.get(name)?.layout)).toEqual([
      "dense int8",
      "4x1 int8",
      "dense F16",
      "dense F16",
    ]);
    expect(await packedFileBytes({ checkpoint: openBytes(model), int8: true, dtype: "F16" })).toBe(
      file.length,
    );
    const { sink, files } = memorySink();
    await writeUnpacked({ checkpoint: openBytes(file) }, sink);
    const plain = readSafetensorsOrThrow(files.get("model.safetensors") ?? new Uint8Array(0));
    const before = readSafetensorsOrThrow(model);
    expect([...plain.tensors.keys()]).toEqual([...before.tensors.keys()]);
    for (const [name, tensor] of before.tensors) {
      const [was, is] = [tensor, plain.tensors.get(name) ?? tensor].map(toFloat32);
      const largest = was?.reduce((most, value, i) => {
        return Math.max(most, Math.abs(value - (is?.[i] ?? NaN)));
      }, 0);
      expect(largest).toBeGreaterThan(0);
      expect(largest).toBeCloseTo(tensors.get(name)?.error?.maximum ?? 0, 7);
    }
  });

  test("have fewer bits in embeddings, found by their roles", async () => {
    const [eight, six] = [
      await packedWith({ int8: true }),
      await packedWith({ int8: true, embeddingBits: 6 }),
    ];
    expect(six.file.length).toBe(eight.file.length);
    const error = ({ tensors }: typeof six, name: string) => tensors.get(name)?.error?.maximum ?? 0;
    const [ratio, same] = ["word_embeddings.weight", "query.weight"].map(
      (name) => error(six, name) / error(eight, name),
    );
    expect(ratio).toBeGreaterThan(3);
    expect(same).toBe(1);
    const role: RoleOverride = { pattern: /query/, role: "embedding" };
    const other = await packedWith({
      int8: true,
      embeddingBits: 6,
      evidence: { overrides: [role] },
    });
    expect(error(other, "query.weight") / error(eight, "query.weight")).toBeGreaterThan(3);
  });

  const outcome = (bytes: Uint8Array): string => {
    const opened = openCheckpointFile(memoryFile("model.safetensors", bytes));
    if (isLeft(opened)) return "refused";
    for (const entry of opened.right.entries) {
      try {
        opened.right.read(entry);
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
        return "refused";
      }
    }
    return "read";
  };

  test("of a truncated or altered file are refused", async () => {
    const { file } = await packedWith({ int8: true });
    expect(outcome(file)).toBe("read");
    for (let length = 0; length < file.length; length += 61)
      expect(outcome(file.subarray(0, length))).toBe("refused");
    const begin = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
    for (let at = begin; at < file.length; at += 23) {
      const flipped = file.slice();
      flipped[at] = (file[at] ?? 0) ^ 1;
      expect(outcome(flipped)).toBe("refused");
    }
  });

  test("of an altered file without checksums are refused or read, never thrown at", async () => {
    const { file } = await packedWith({ int8: true });
    // Invalid: the integer -128, the scales NaN and -0, and a bit for a block without values.
    const { tensors: parts, metadata: own } = readSafetensorsOrThrow(file);
    const { [CHECKSUM_METADATA]: checksums, ...metadata } = own;
    expect(Object.keys(JSON.parse(checksums ?? "{}")).length).toBeGreaterThan(2);
    const altered = (name: string, change: (bytes: Uint8Array) => void): string => {
      const part = parts.get(name);
      if (part === undefined) throw new Error(`expected ${name}`);
      const bytes = part.bytes.slice();
      change(bytes);
      return outcome(writeSafetensors(new Map(parts).set(name, { ...part, bytes }), metadata));
    };
    const firstZero = (bytes: Uint8Array) => bytes.findIndex((byte) => byte !== 255);
    expect(altered("query.weight:values", (bytes) => bytes.fill(128, 9, 10))).toBe("refused");
    expect(altered("query.weight:values", (bytes) => bytes.fill(127, 9, 10))).toBe("read");
    expect(altered("query.weight:scales", (bytes) => bytes.fill(255, 0, 2))).toBe("refused");
    expect(altered("query.weight:scales", (bytes) => bytes.set([0, 128]))).toBe("refused");
    expect(altered("query.weight:bits", (bytes) => bytes.fill(255, firstZero(bytes)))).toBe(
      "refused",
    );
    expect(altered("word_embeddings.weight:values", (bytes) => bytes.fill(128))).toBe("refused");
  });
});
