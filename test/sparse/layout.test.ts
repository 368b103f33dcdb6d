import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBfloat16 } from "../../src/core/half.ts";
import { packBlocks } from "../../src/sparse/blocks.ts";
import { packedProblems } from "../../src/sparse/check.ts";
import { packGroups, readPosition } from "../../src/sparse/groups.ts";
import { quantizeRows, quantizeRowsOfBlocks } from "../../src/sparse/int8.ts";
import {
  formatLayout,
  type LayoutSpec,
  type PackedArray,
  type PackedMatrix,
  pack,
  packedArrays,
  packedBytes,
  parseLayout,
  unpack,
} from "../../src/sparse/layout.ts";
import { quantizeBlocks } from "../../src/sparse/quantized.ts";
import { layoutBytes, smallestLayout, USUAL_LAYOUTS } from "../../src/sparse/size.ts";
import { freeLayouts, groups, sampleMatrices, thinned, wordsOf } from "./matrices.ts";
import { naiveUnpack } from "./naive-layout.ts";

/** Blocks that have a bit set or a kept element, told element by element. */
function keptBlocksOf(
  words: readonly number[],
  mask: Uint8Array | undefined,
  columns: number,
  [height, width]: readonly [number, number],
): ReadonlySet<string> {
  const kept = new Set<string>();
  words.forEach((word, i) => {
    if (word === 0 && mask?.[i] !== 1) return;
    const [row, column] = [Math.floor(i / columns), i % columns];
    kept.add(`${Math.floor(row / height)},${Math.floor(column / width)}`);
  });
  return kept;
}

describe("layouts", () => {
  it("give back every bit, and are what their size says", () => {
    fc.assert(
      fc.property(sampleMatrices, freeLayouts, ({ data, shape, mask }, spec) => {
        const before = wordsOf(data);
        const packed = pack(data, shape, spec, mask);
        expect(packed.layout).toBe(spec.layout);
        expect(unpack(packed).constructor).toBe(data.constructor);
        expect(wordsOf(unpack(packed))).toEqual(before);
        expect(wordsOf(data)).toEqual(before);
        expect(packedBytes(packed)).toBe(layoutBytes(data, shape, spec, mask));
        expect(packedProblems(packed)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it("in groups give back every bit of what has the zeros, and refuse what has not", () => {
    fc.assert(
      fc.property(sampleMatrices, groups, (matrix, spec) => {
        const { shape } = matrix;
        const data = thinned(matrix, spec);
        const packed = packGroups(data, shape, spec);
        expect(wordsOf(unpack(packed))).toEqual(wordsOf(data));
        expect(packedBytes(packed)).toBe(layoutBytes(data, shape, spec));
        expect(packedProblems(packed)).toEqual([]);
        const words = wordsOf(matrix.data);
        const full = words.some((_, start) => {
          const column = start % shape[1];
          if (column % spec.of !== 0) return false;
          const inside = Math.min(spec.of, shape[1] - column);
          const values = words.slice(start, start + inside).filter((word) => word !== 0);
          return values.length > spec.of - spec.prune;
        });
        if (full) {
          expect(() => packGroups(matrix.data, shape, spec)).toThrow(/^data at row \d+, columns/);
          expect(layoutBytes(matrix.data, shape, spec)).toBeNull();
        } else expect(wordsOf(unpack(packGroups(matrix.data, shape, spec)))).toEqual(words);
      }),
      { numRuns: 500 },
    );
  });

  it("keep exactly the blocks with a bit set or a kept element, by block row and ascending", () => {
    fc.assert(
      fc.property(sampleMatrices, freeLayouts, ({ data, shape, mask }, spec) => {
        fc.pre(spec.layout === "blocks");
        const packed = pack(data, shape, spec, mask);
        if (packed.layout !== "blocks" || spec.layout !== "blocks") return;
        const found: string[] = [];
        for (let row = 0; row + 1 < packed.starts.length; row++)
          for (let i = packed.starts[row] ?? 0; i < (packed.starts[row + 1] ?? 0); i++)
            found.push(`${row},${packed.columns[i]}`);
        const expected = keptBlocksOf(wordsOf(data), mask, shape[1], spec.block);
        expect(new Set(found)).toEqual(expected);
        const place = (text: string): number => {
          const [row = 0, column = 0] = text.split(",").map(Number);
          return row * 1000 + column;
        };
        expect(found).toEqual([...expected].sort((a, b) => place(a) - place(b)));
      }),
      { numRuns: 300 },
    );
  });

  it("of the smallest size are smaller than dense, and than every other", () => {
    fc.assert(
      fc.property(sampleMatrices, ({ data, shape, mask }) => {
        const { spec, bytes } = smallestLayout(data, shape, USUAL_LAYOUTS, mask);
        const sizes = USUAL_LAYOUTS.flatMap((one) => layoutBytes(data, shape, one, mask) ?? []);
        expect(bytes).toBe(Math.min(data.byteLength, ...sizes));
        if (spec !== null) expect(packedBytes(pack(data, shape, spec, mask))).toBe(bytes);
      }),
    );
  });

  it("read a view in the middle of a buffer", () => {
    const buffer = Float32Array.of(9, 0, 0, 7, 0, 9);
    for (const layout of ["bitmask", "channels"] as const) {
      const packed = pack(buffer.subarray(1, 5), [2, 2], { layout });
      expect(Array.from(unpack(packed))).toEqual([0, 0, 7, 0]);
    }
    expect(Array.from(buffer)).toEqual([9, 0, 0, 7, 0, 9]);
  });

  it("use indices of two bytes up to 65536 columns of blocks", () => {
    const wide = new Float32Array(65537);
    wide[65536] = 1;
    const spec: LayoutSpec = { layout: "blocks", block: [1, 1] };
    const packed = pack(wide, [1, 65537], spec);
    expect(packed.layout === "blocks" && packed.columns).toEqual(Uint32Array.of(65536));
    expect(packedBytes(packed)).toBe(layoutBytes(wide, [1, 65537], spec));
    const fits = pack(wide.subarray(1), [1, 65536], spec);
    expect(fits.layout === "blocks" && fits.columns).toEqual(Uint16Array.of(65535));
  });

  it("are spelled and read back", () => {
    fc.assert(
      fc.property(fc.oneof(freeLayouts, groups), (spec) => {
        expect(parseLayout(formatLayout(spec))).toEqual(spec);
      }),
    );
    for (const text of ["", "4", "0x1", "2:2", "2:300", "x", "4x1x1", " 4x1", "dense"])
      expect(parseLayout(text)).toBeUndefined();
  });

  it("refuse what is no matrix", () => {
    const six = new Float32Array(6);
    const csr: LayoutSpec = { layout: "blocks", block: [1, 1] };
    expect(() => pack(new Float32Array(5), [3, 2], csr)).toThrow(
      "data: expected 6 elements, got 5",
    );
    expect(() => pack(six, [3, 2], { layout: "blocks", block: [0, 1] })).toThrow(RangeError);
    expect(() => pack([] as unknown as Float32Array, [0, 0], csr)).toThrow(TypeError);
    expect(() => pack(six, [3, 2], csr, new Uint8Array(5))).toThrow("mask: expected 6 elements");
    expect(() => pack(six, [3, 2], { layout: "groups", prune: 2, of: 2 })).toThrow(RangeError);
    expect(() => pack(six, [3, -2], csr)).toThrow(RangeError);
  });

  it("refuse it where only their size is asked for, too", () => {
    const six = new Float32Array(6);
    const wrong = [
      [0, 1],
      [1, 0],
      [-1, 1],
      [1.5, 1],
      [Number.NaN, 1],
      [1],
    ] as unknown as readonly (readonly [number, number])[];
    for (const block of wrong) {
      const spec: LayoutSpec = { layout: "blocks", block };
      expect(() => layoutBytes(six, [3, 2], spec)).toThrow(/^block\[[01]\]: expected an integer/);
      expect(() => smallestLayout(six, [3, 2], [spec])).toThrow(/^block\[[01]\]: expected/);
    }
    const huge: LayoutSpec = { layout: "blocks", block: [2 ** 40, 2 ** 20] };
    expect(() => layoutBytes(six, [3, 2], huge)).toThrow("block: expected at most 2^53 - 1");
    const csr: LayoutSpec = { layout: "blocks", block: [1, 1] };
    expect(() => layoutBytes(six, [7, 9], csr)).toThrow("data: expected 63 elements, got 6");
    for (const values of [six, six.slice().fill(1)])
      expect(() => smallestLayout(values, [7, 9])).toThrow("data: expected 63 elements, got 6");
  });
});

it("positions in groups are read beyond the first 2^32 bits", () => {
  // Pages that nothing is written to take no memory.
  const indices = new Uint8Array(2 ** 29 + 1);
  indices[2 ** 29] = 0b10_01;
  expect([0, 1].map((slot) => readPosition(indices, 2 ** 31 + slot, 2))).toEqual([1, 2]);
  expect(readPosition(indices, 0, 2)).toBe(0);
});

describe("arrays that do not fit together", () => {
  const damages = ["shorter", "longer", "more", "less", "any", "swapped"] as const;
  const packedMatrices = fc
    .tuple(
      sampleMatrices,
      fc.oneof(freeLayouts, groups),
      fc.constantFrom("exact", "block scales", "row scales", "dense row scales"),
    )
    .map(([matrix, spec, how]): PackedMatrix => {
      const data = spec.layout === "groups" ? thinned(matrix, spec) : matrix.data;
      const { shape, mask } = matrix;
      const finite = Float32Array.from(data, (value) => (Number.isFinite(value) ? value : 2));
      if (how === "dense row scales") return quantizeRows(finite, shape).matrix;
      if (how === "exact" || spec.layout !== "blocks") return pack(data, shape, spec, mask);
      const { block } = spec;
      if (how === "row scales") return quantizeRows(finite, shape, { block, mask }).matrix;
      return quantizeBlocks(packBlocks(finite, shape, block, mask)).matrix;
    });

  it("are told from those that do, which unpack to what they say", () => {
    const seen = { refused: 0, taken: 0 };
    fc.assert(
      fc.property(
        packedMatrices,
        fc.constantFrom(...damages),
        fc.tuple(fc.nat(), fc.nat(), fc.nat(0xffff)),
        (packed, how, [which, where, value]) => {
          const arrays = packedArrays(packed);
          const [name, array] = arrays[which % arrays.length] ?? ["", new Uint8Array(0)];
          fc.pre(array.length > 0);
          const broken = { ...packed, [name]: damage(array, how, where % array.length, value) };
          const expected = naiveUnpack(broken);
          const problems = packedProblems(broken);
          expect(problems.length === 0).toBe(expected !== null);
          seen[expected === null ? "refused" : "taken"]++;
          for (const { path } of problems)
            expect(arrays.map(([one]) => one)).toContain(path.replace(/\[\d+\]$/, ""));
          if (problems.length > 0 || broken.layout === "quantized") return;
          if (broken.layout === "int8") {
            const { scales, shape } = broken;
            const floats = (expected ?? []).map((value, i) =>
              Math.fround(value * fromBfloat16(scales[Math.floor(i / shape[1])] ?? 0)),
            );
            expect(unpack(broken)).toEqual(Float32Array.from(floats));
          } else expect(wordsOf(unpack(broken))).toEqual(expected);
        },
      ),
      { numRuns: 3000 },
    );
    expect(Math.min(seen.refused, seen.taken)).toBeGreaterThan(300);
  });

  const blocks = packBlocks(Float32Array.of(1, 0, 2, 0, 3, 4, 0, 0, 5), [3, 3], [2, 2]);
  const bitmask = pack(Float32Array.of(1, 0, 2), [1, 3], { layout: "bitmask" });
  const pairs = packGroups(Float32Array.of(0, 1, 2, 0, 3), [1, 5], { prune: 2, of: 4 });
  const { matrix: eight } = quantizeBlocks(blocks);
  const rows = quantizeRowsOfBlocks(blocks).matrix;
  const whole = quantizeRows(Float32Array.of(1, 0, 2, 0), [2, 2]).matrix;

  it.each<[string, PackedMatrix, string]>([
    [
      "a value beyond the right edge",
      { ...blocks, values: blocks.values.slice().fill(1) },
      "values[5]",
    ],
    ["an integer beyond it", { ...eight, values: eight.values.slice().fill(1) }, "values[5]"],
    ["columns out of order", { ...blocks, columns: Uint16Array.of(1, 0, 0, 1) }, "columns[1]"],
    ["a column twice", { ...blocks, columns: Uint16Array.of(0, 0, 0, 1) }, "columns[1]"],
    ["a column too far", { ...eight, columns: Uint16Array.of(0, 2, 0, 1) }, "columns[1]"],
    ["starts that descend", { ...blocks, starts: Uint32Array.of(0, 2, 1) }, "starts[2]"],
    ["a start that is not 0", { ...blocks, starts: Uint32Array.of(1, 2, 4) }, "starts[0]"],
    ["a block's integer beyond it", { ...rows, values: rows.values.map(() => 1) }, "values[5]"],
    ["a row's scale too few", { ...rows, scales: rows.scales.subarray(1) }, "scales"],
    ["a row's scale too many", { ...whole, scales: Uint16Array.of(1, 1, 1) }, "scales"],
    ["a row's scale below 0", { ...whole, scales: Uint16Array.of(1, 0x8001) }, "scales[1]"],
    ["an integer too few", { ...whole, values: whole.values.subarray(1) }, "values"],
    ["an integer below -127", { ...whole, values: Int8Array.of(1, -128, 0, 0) }, "values[1]"],
    ["a scale too few", { ...eight, scales: eight.scales.subarray(1) }, "scales"],
    [
      "a bit beyond the end",
      { ...bitmask, bits: Uint8Array.of(0b1101), values: Float32Array.of(1, 2, 3) } as PackedMatrix,
      "bits[0]",
    ],
    ["positions out of order", { ...pairs, indices: Uint8Array.of(0b0100_0110) }, "indices[1]"],
    ["a position twice", { ...pairs, indices: Uint8Array.of(0b0100_0101) }, "indices[1]"],
    [
      "a position's value beyond it",
      { ...pairs, values: pairs.values.slice().fill(1) },
      "values[3]",
    ],
  ])("are refused for %s", (_, matrix, path) => {
    expect(naiveUnpack(matrix)).toBeNull();
    expect(packedProblems(matrix)[0]?.path).toBe(path);
  });
});

describe("integers and scales that quantizing does not give", () => {
  const { matrix } = quantizeBlocks(packBlocks(Float32Array.of(3, -1, 2, 4), [2, 2], [2, 1]));

  it.each([
    [0x7f80, "Infinity"],
    [0x7fc0, "NaN"],
    [0x8000, "-0"],
    [0xbf80, "-1"],
    [0xff80, "-Infinity"],
  ])("are refused: the scale %d", (bits, got) => {
    const broken = { ...matrix, scales: Uint16Array.of(0, bits) };
    expect(packedProblems(broken)).toEqual([
      { path: "scales[1]", expected: "a finite number, positive or +0", got },
    ]);
  });

  it("are refused: -128, which is no negative of one", () => {
    const values = matrix.values.slice();
    values[2] = -128;
    expect(packedProblems({ ...matrix, values })).toEqual([
      { path: "values[2]", expected: "a number from -127 to 127", got: "-128" },
    ]);
  });

  it("are told from those at the ends, which stay", () => {
    const scales = Uint16Array.of(0, 0x7f7f);
    const values = Int8Array.of(-127, 127, 0, 1);
    expect(packedProblems({ ...matrix, values, scales })).toEqual([]);
  });
});

/** An array that is not what it was: one element shorter or longer, or with another element at a place. */
function damage(
  array: PackedArray,
  how: "shorter" | "longer" | "more" | "less" | "any" | "swapped",
  at: number,
  value: number,
): PackedArray {
  if (how === "shorter") return array.subarray(0, -1);
  if (how === "longer") return growByOne(array);
  const damaged = array.slice();
  const words = damaged instanceof Float32Array ? new Uint32Array(damaged.buffer) : damaged;
  const old = words[at] ?? 0;
  const next = Math.min(at + 1, words.length - 1);
  if (how === "swapped") [words[at], words[next]] = [words[next] ?? 0, old];
  else words[at] = how === "any" ? value : old + (how === "more" ? 1 : -1);
  return damaged;
}

/** The array with one more element, 0. */
function growByOne<A extends { readonly length: number }>(array: A): A {
  const grown = new (
    array.constructor as new (
      length: number,
    ) => A & {
      set: (source: A) => void;
    }
  )(array.length + 1);
  grown.set(array);
  return grown;
}

describe("arguments that are not layouts", () => {
  const weight = Float32Array.of(0, 1, 0, 2);

  it("are refused by name", () => {
    const wrong = { layout: "csr" } as unknown as LayoutSpec & PackedMatrix;
    expect(() => pack(weight, [2, 2], wrong)).toThrow(/^spec\.layout: expected one of blocks/);
    expect(() => layoutBytes(weight, [2, 2], wrong)).toThrow(/^spec\.layout: expected one of/);
    expect(() => unpack(wrong)).toThrow(/^matrix\.layout: expected one of/);
    expect(() => packedProblems(wrong)).toThrow(/^matrix\.layout: expected one of/);
    const packed = pack(weight, [2, 2], { layout: "bitmask" });
    expect(() => packedBytes({ ...packed, bits: null } as unknown as PackedMatrix)).toThrow(
      /^matrix\.bits: expected a typed array, got null/,
    );
  });

  it("include blocks whose elements do not fit into memory, and others than the values have", () => {
    expect(() => packBlocks(weight, [2, 2], [2 ** 31, 4])).toThrow(/^block: expected blocks that/);
    const blocks = packBlocks(weight, [2, 2], [2, 1]);
    expect(() => quantizeBlocks({ ...blocks, block: [2, 2] })).toThrow(
      /^blocks\.values: expected 4/,
    );
  });
});
