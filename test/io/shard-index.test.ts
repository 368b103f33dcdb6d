import { describe, expect, it } from "vitest";
import { formatProblem, getOrThrow, isLeft } from "../../src/core/either.ts";
import { parseShardIndex, shardProblems } from "../../src/io/shard-index.ts";

const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe("the index of a sharded checkpoint", () => {
  it("is read, with its metadata", () => {
    const index = getOrThrow(
      parseShardIndex(
        "index",
        bytes({
          metadata: { total_size: 12 },
          weight_map: { a: "x.safetensors", b: "y.safetensors" },
        }),
      ),
    );
    expect([...index.files]).toEqual([
      ["a", "x.safetensors"],
      ["b", "y.safetensors"],
    ]);
    expect(index.metadata).toEqual({ total_size: 12 });
  });

  it.each([
    "../x.safetensors",
    "/etc/x.safetensors",
    "a/b.safetensors",
    "a\\b.safetensors",
    "c:x.safetensors",
    "..",
    "x.bin",
    ".safetensors\0",
    "",
    7,
    null,
  ])("may not lead elsewhere: %j", (file) => {
    const result = parseShardIndex("index", bytes({ weight_map: { a: file, b: "y.safetensors" } }));
    expect(isLeft(result) && result.left.map(formatProblem).join()).toMatch(
      /^index: a: expected the name of a \.safetensors file in the same directory, got/,
    );
  });

  it.each([
    [{}, /weight_map: expected an object/],
    [{ weight_map: [] }, /weight_map: expected an object/],
    [{ weight_map: {}, metadata: 3 }, /metadata: expected an object/],
    [[], /expected a JSON object/],
  ])("is refused where it is none: %j", (value, message) => {
    expect(() => getOrThrow(parseShardIndex("index", bytes(value)))).toThrow(message);
  });

  it("has to list what its files have", () => {
    const index = getOrThrow(
      parseShardIndex("index", bytes({ weight_map: { a: "x.safetensors", b: "x.safetensors" } })),
    );
    const present = new Map([["x.safetensors", new Set(["b", "c"])]]);
    expect(shardProblems("index", index, present).map(formatProblem)).toEqual([
      "index: a: expected this tensor in x.safetensors, got none",
      "x.safetensors: c: expected this file in the index, got nothing",
    ]);
  });
});
