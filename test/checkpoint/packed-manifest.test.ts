import { describe, expect, test } from "vitest";
import { formatManifest, parseManifest } from "../../src/checkpoint/packed-manifest.ts";
import { isLeft, isRight } from "../../src/core/either.ts";

describe("a manifest", () => {
  const entry = { layout: "blocks", block: [4, 1], shape: [8, 8], dtype: "F32", unpacked: "F32" };
  const parse = (tensors: unknown, version: unknown = 1) =>
    parseManifest("file", JSON.stringify({ version, tensors }));
  const problemOf = (changed: object): string => {
    const read = parse({ w: { ...entry, ...changed } });
    if (isRight(read)) return "";
    return read.left.map(({ path, expected, got }) => `${path}: ${expected}, ${got}`).join("\n");
  };

  test("is read with its parameters", () => {
    const read = parse({ w: entry });
    expect(isRight(read) && read.right.get("w")).toEqual({
      ...{ shape: [8, 8], dtype: "F32", unpacked: "F32" },
      stored: { layout: "blocks", block: [4, 1] },
    });
  });

  test.each<[object, RegExp]>([
    [{ layout: "bcsr" }, /w\.layout: one of dense, blocks.*, "bcsr"$/],
    [{ layout: undefined }, /w\.layout: one of dense, blocks.*, none$/],
    [{ block: [4] }, /w\.block: two whole numbers from 1, \[4\]$/],
    [{ block: [0, 1] }, /w\.block: two whole numbers from 1, \[0, 1\]$/],
    [{ block: [4, 1, 1] }, /w\.block: two whole numbers from 1, \[4, 1, 1\]$/],
    [{ block: undefined }, /w\.block: two whole numbers from 1, none$/],
    [{ block: "4x1" }, /w\.block: two whole numbers from 1, "4x1"$/],
    [
      { block: [2 ** 40, 2 ** 20] },
      /w\.block: at most 2\^53 - 1 elements, \[1099511627776, 1048576\]$/,
    ],
    [{ layout: "groups", prune: 4, of: 4 }, /w\.prune: a whole number from 1 to 3, 4$/],
    [{ layout: "groups", prune: 4, of: 257 }, /w\.of: a whole number from 2 to 256, 257$/],
    [{ layout: "groups" }, /w\.of: a whole number from 2 to 256, none$/],
    [{ shape: [-1, 2] }, /\.shape: a list of counts/],
    [{ shape: [] }, /\.shape: a list of counts/],
    [{ shape: [0, 2 ** 32] }, /\.shape: at most 2147483647 elements/],
    [{ shape: [2 ** 40, 2] }, /\.shape: at most 2147483647 elements/],
    [{ dtype: "I8" }, /\.dtype: F32, F16 or BF16/],
    [{ unpacked: "F16" }, /\.unpacked: F32, F16 or BF16 that holds F32/],
    [{ dtype: "F16", unpacked: "BF16" }, /\.unpacked: F32 or F16/],
    [{ layout: "quantized", dtype: "F16" }, /\.dtype: F32 for quantized/],
    [{ scale: 1 }, /keys of layout, block/],
  ])("refuses %j", (changed, message) => {
    expect(problemOf(changed)).toMatch(message);
  });

  const int8 = { layout: "int8", shape: [8, 8], dtype: "F32", unpacked: "F16" };

  test("of version 2 has integers with scales of rows, dense and in blocks", () => {
    const read = parse({ a: int8, b: { ...int8, block: [4, 1] }, c: entry }, 2);
    const facts = { shape: [8, 8], dtype: "F32", unpacked: "F16" };
    expect(isRight(read) && [...read.right]).toEqual([
      ["a", { ...facts, stored: { layout: "int8" } }],
      ["b", { ...facts, stored: { layout: "int8", block: [4, 1] } }],
      ["c", { ...facts, unpacked: "F32", stored: { layout: "blocks", block: [4, 1] } }],
    ]);
    if (isLeft(read)) return;
    const versionOf = (names: readonly string[]) =>
      JSON.parse(formatManifest(new Map([...read.right].filter(([name]) => names.includes(name)))))
        .version;
    expect([versionOf(["a", "b", "c"]), versionOf(["b"]), versionOf(["c"]), versionOf([])]).toEqual(
      [2, 2, 1, 1],
    );
    expect(parseManifest("file", formatManifest(read.right))).toEqual(read);
  });

  test.each<[object, number, RegExp]>([
    [{}, 1, /w\.layout: one of dense, .*, channels, "int8"$/],
    [{ layout: "int4" }, 2, /w\.layout: one of dense, .*, channels, int8, "int4"$/],
    [{ block: [4] }, 2, /w\.block: two whole numbers from 1, \[4\]$/],
    [{ block: null }, 2, /w\.block: two whole numbers from 1, null$/],
    [{ dtype: "F16" }, 2, /\.dtype: F32 for int8/],
    [{ unpacked: "I8" }, 2, /\.unpacked: F32, F16 or BF16/],
    [{ scale: 1 }, 2, /keys of layout, shape, dtype, unpacked for int8/],
  ])("refuses integers that are %j in version %d", (changed, version, message) => {
    const read = parse({ w: { ...int8, ...changed } }, version);
    if (isRight(read)) throw new Error("expected a problem");
    const [problem] = read.left;
    expect(`${problem?.path}: ${problem?.expected}, ${problem?.got}`).toMatch(message);
  });

  test("refuses another version, and what is no object, with every problem", () => {
    for (const [version, got] of [
      [0, "0"],
      [3, "3"],
      ["2", '"2"'],
    ])
      expect(parse({}, version)).toMatchObject({ left: [{ expected: "version 1 or 2", got }] });
    expect(isLeft(parse([]))).toBe(true);
    expect(isLeft(parseManifest("file", "[1]"))).toBe(true);
    expect(isLeft(parseManifest("file", "{"))).toBe(true);
    expect(parseManifest("file", '{"version":1,"tensors":{},"more":1}')).toMatchObject({
      left: [{ expected: "keys of version, tensors", got: "more" }],
    });
    const both = parse({ a: { ...entry, layout: 1 }, b: { ...entry, shape: 1 }, c: entry });
    expect(isLeft(both) && both.left).toHaveLength(2);
  });
});
