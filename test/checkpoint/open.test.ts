import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openCheckpointFile, openShards } from "../../src/checkpoint/open.ts";
import { formatProblem, getOrThrow, isLeft, refuse, right } from "../../src/core/either.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { type MemoryFile, memoryFile } from "./memory.ts";

const weight = tensorFromFloat32("F32", [2], Float32Array.of(1, 2));
const fileOf = (...names: string[]): Uint8Array =>
  writeSafetensors(new Map(names.map((name) => [name, weight])), { format: "pt" });
const torchFile = (): Uint8Array =>
  new Uint8Array(readFileSync(new URL("../io/torch/zip.bin", import.meta.url)));

describe("a single file", () => {
  test("of safetensors has its tensors, header and metadata", () => {
    const bytes = fileOf("a", "b");
    const source = memoryFile("folder/model.safetensors", bytes);
    const checkpoint = getOrThrow(openCheckpointFile(source, "model.safetensors"));
    expect(checkpoint).toMatchObject({ layout: "file", path: source.name, index: null });
    const [file] = checkpoint.files;
    expect(file).toMatchObject({ name: "model.safetensors", metadata: { format: "pt" } });
    expect(checkpoint.entries.map(({ name }) => name)).toEqual(["a", "b"]);
    expect(checkpoint.entries.map((entry) => checkpoint.read(entry))).toEqual([weight, weight]);
    if (file === undefined) throw new Error("expected a file");
    expect(checkpoint.readHeader(file)).toEqual(bytes.slice(0, file.dataBegin));
    checkpoint.close();
    expect(source.isClosed()).toBe(true);
  });

  test("of torch.save is told by its first bytes", () => {
    const checkpoint = getOrThrow(openCheckpointFile(memoryFile("any name", torchFile())));
    expect(checkpoint.layout).toBe("torch");
    expect([...checkpoint.tied]).toEqual([["tied.1.weight", "tied.0.weight"]]);
    expect(checkpoint.entries.some(({ name }) => name === "tied.1.weight")).toBe(false);
  });

  test("is closed if it is refused", () => {
    const source = memoryFile("short", fileOf("a").slice(0, -1));
    expect(isLeft(openCheckpointFile(source))).toBe(true);
    expect(source.isClosed()).toBe(true);
  });
});

describe("several files with an index", () => {
  const indexOf = (map: Readonly<Record<string, string>>): Uint8Array =>
    new TextEncoder().encode(JSON.stringify({ weight_map: map }));
  const index = indexOf({ a: "1.safetensors", b: "2.safetensors" });

  function openWith(files: Readonly<Record<string, Uint8Array>>) {
    const opened: MemoryFile[] = [];
    const result = openShards("model.safetensors.index.json", index, (name) => {
      const bytes = files[name];
      if (bytes === undefined) return refuse(name, "a file that can be read", "none");
      const file = memoryFile(name, bytes);
      opened.push(file);
      return right(file);
    });
    return { result, opened };
  }

  test("are one checkpoint, in the order of their names", () => {
    const { result, opened } = openWith({
      "1.safetensors": fileOf("a"),
      "2.safetensors": fileOf("b"),
    });
    const checkpoint = getOrThrow(result);
    expect(checkpoint.layout).toBe("sharded");
    expect(checkpoint.entries.map(({ name, file }) => [name, file])).toEqual([
      ["a", "1.safetensors"],
      ["b", "2.safetensors"],
    ]);
    for (const entry of checkpoint.entries) expect(checkpoint.read(entry)).toEqual(weight);
    checkpoint.close();
    expect(opened.map((file) => file.isClosed())).toEqual([true, true]);
  });

  test("are all closed, and all problems told, if one is refused", () => {
    const { result, opened } = openWith({
      "1.safetensors": fileOf("a", "c"),
      "2.safetensors": fileOf("b").slice(0, -1),
    });
    if (!isLeft(result)) throw new Error("expected problems");
    const text = result.left.map(formatProblem).join("\n");
    expect(text).toContain("1.safetensors: c: expected this file in the index, got nothing");
    expect(text).toContain("2.safetensors");
    expect(opened.map((file) => file.isClosed())).toEqual([true, true]);
  });

  test("may have aliases in their metadata that the index leaves out", () => {
    const metadata = { "other.weight": "a" };
    const { result } = openWith({
      "1.safetensors": writeSafetensors(new Map([["a", weight]]), metadata),
      "2.safetensors": fileOf("b"),
    });
    expect([...getOrThrow(result).tied]).toEqual([["other.weight", "a"]]);
  });
});
