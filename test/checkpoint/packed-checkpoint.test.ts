/** Packed files as checkpoints: what their manifests may say. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writePacked, writeUnpacked } from "../../src/checkpoint/pack.ts";
import {
  formatManifest,
  PACKED_METADATA,
  type PackedEntry,
} from "../../src/checkpoint/packed-manifest.ts";
import { formatProblem, isLeft } from "../../src/core/either.ts";
import { readSafetensorsOrThrow, type StoredTensor } from "../../src/io/safetensors.ts";
import { openCheckpoint } from "../../src/node/checkpoint-reader.ts";
import { temporaryDirectory } from "../cli/fixtures.ts";
import { memorySink, openBytes } from "./memory.ts";

const root = temporaryDirectory();
let made = 0;

/** A packed file of tensors that are zero, in the bytes of a header alone, by name. */
function zeroFile(names: readonly string[], extent: number): string {
  const entry: PackedEntry = {
    ...{ shape: [extent, extent], dtype: "F32", unpacked: "F32", stored: { layout: "channels" } },
  };
  const none = { shape: [0], data_offsets: [0, 0] };
  const parts = names.flatMap((name) => [
    [`${name}:rows`, { ...none, dtype: "U32" }],
    [`${name}:columns`, { ...none, dtype: "U32" }],
    [`${name}:values`, { ...none, shape: [0, 0], dtype: "F32" }],
  ]);
  const manifest = formatManifest(new Map(names.map((name) => [name, entry])));
  const header = { __metadata__: { [PACKED_METADATA]: manifest }, ...Object.fromEntries(parts) };
  // By hand: names that cannot be written are among them.
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  const path = join(root, `${made++}.safetensors`);
  writeFileSync(path, file);
  return path;
}

async function problemsOf(path: string): Promise<string> {
  const opened = await openCheckpoint(path);
  if (isLeft(opened)) return opened.left.map(formatProblem).join("\n");
  opened.right.close();
  return "";
}

test("a small file does not unpack to any number of zeros, all tensors together", async () => {
  expect(await problemsOf(zeroFile(["a"], 2 ** 13))).toBe("");
  const many = Array.from({ length: 100 }, (_, i) => `tensor.${i}`);
  expect(await problemsOf(zeroFile(many, 2 ** 13))).toMatch(
    /espalier\.packed\.tensors: expected at most \d+ elements in a file of \d+ bytes, got 6710886400$/,
  );
});

test("zeros of a small file are those of the tensor", async () => {
  const opened = await openCheckpoint(zeroFile(["a"], 4));
  if (isLeft(opened)) throw new Error("expected a packed file");
  const [entry] = opened.right.entries;
  if (entry === undefined) throw new Error("expected a tensor");
  const expected: StoredTensor = { dtype: "F32", shape: [4, 4], bytes: new Uint8Array(64) };
  expect(opened.right.read(entry)).toEqual(expected);
  opened.right.close();
});

test("tensors whose names cannot be written are refused, not thrown at", async () => {
  expect(await problemsOf(zeroFile(["__metadata__"], 4))).toMatch(
    /: __metadata__: expected the name of a tensor, got none$/,
  );
  expect(await problemsOf(zeroFile(["half \ud83c"], 4))).toContain(
    ': "half \\ud83c": expected a name of well-formed text, got half of a character',
  );
});

describe("a file of version 1", () => {
  const stored = (name: string) =>
    new Uint8Array(readFileSync(new URL(`packed/${name}`, import.meta.url)));

  test("is read as when it was written, with every layout of its version", async () => {
    const packed = openBytes(stored("packed-1.safetensors"));
    const layouts = new Set(packed.entries.map(({ packed: own }) => own?.layout));
    expect([...layouts].sort()).toEqual(
      ["1:2 F32", "1x1 F32", "2x3 F32", "4x1 BF16", "4x1 F16", "4x1 F32", "4x1 I8", "bitmask BF16"]
        .concat(["bitmask F32", "channels F32", "dense F16"])
        .map((name) => name.replace("1x1", "csr"))
        .sort()
        .concat([undefined as unknown as string]),
    );
    const { sink, files } = memorySink();
    await writeUnpacked({ checkpoint: packed }, sink);
    expect(files.get("model.safetensors")).toEqual(stored("unpacked-1.safetensors"));
  });

  test("is written again for what it contains", async () => {
    const { sink, files } = memorySink();
    const checkpoint = openBytes(stored("unpacked-1.safetensors"));
    await writePacked({ checkpoint, dtype: "F16" }, sink);
    const file = readSafetensorsOrThrow(files.get("model.packed.safetensors") ?? new Uint8Array(0));
    expect(JSON.parse(file.metadata[PACKED_METADATA] ?? "{}").version).toBe(1);
  });
});
