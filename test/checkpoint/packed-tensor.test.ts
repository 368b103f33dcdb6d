/** Tensors in compressed layouts and back. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  describeStored,
  formatManifest,
  PACKED_METADATA,
  type PackedEntry,
  parseManifest,
} from "../../src/checkpoint/packed-manifest.ts";
import { packedSize, packTensor } from "../../src/checkpoint/packed-tensor.ts";
import { readPackedMatrix, unpackTensor } from "../../src/checkpoint/unpack-tensor.ts";
import { isLeft, isRight } from "../../src/core/either.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { quantizeRows } from "../../src/sparse/int8.ts";
import { parseLayout } from "../../src/sparse/layout.ts";

/** Tensors of one to four dimensions, mostly zero, of every floating-point type, with any bits. */
const stored: fc.Arbitrary<StoredTensor> = fc
  .record({
    dtype: fc.constantFrom("F32", "F16", "BF16", "F64", "I8" as const),
    shape: fc.array(fc.nat(6), { minLength: 1, maxLength: 4 }),
    thinness: fc.integer({ min: 1, max: 9 }),
  })
  .chain(({ dtype, shape, thinness }) => {
    const size = { F32: 4, F16: 2, BF16: 2, F64: 8, I8: 1 }[dtype];
    const elements = shape.reduce((product, extent) => product * extent, 1);
    const list = { minLength: elements, maxLength: elements };
    return fc
      .array(fc.tuple(fc.nat(thinness), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), list)
      .map((chosen): StoredTensor => {
        const bytes = new Uint8Array(elements * size);
        chosen.forEach(([kept, bits], i) => {
          for (let byte = 0; byte < size && kept === 0; byte++)
            bytes[i * size + byte] = Number((bits >> BigInt(8 * byte)) & 255n);
        });
        return { dtype, shape, bytes };
      });
  });

function unpacked(
  name: string,
  entry: PackedEntry,
  parts: Iterable<readonly [string, StoredTensor]>,
) {
  const read = unpackTensor(name, entry, new Map(parts));
  if (isLeft(read)) throw new Error(JSON.stringify(read.left));
  return read.right;
}

const total = (parts: readonly (readonly [string, StoredTensor])[]): number =>
  parts.reduce((sum, [, { bytes }]) => sum + bytes.length, 0);

describe("a packed tensor", () => {
  test("unpacks to every bit, through the manifest's text, in the bytes that were promised", () => {
    fc.assert(
      fc.property(stored, (tensor) => {
        const { entry, parts, error } = packTensor("a:b", tensor);
        expect(error).toBeNull();
        expect(total(parts)).toBe(packedSize(tensor).bytes);
        expect(total(parts)).toBeLessThanOrEqual(tensor.bytes.length);
        if (entry === null) {
          expect(parts).toEqual([["a:b", tensor]]);
          return;
        }
        const manifest = parseManifest("file", formatManifest(new Map([["a:b", entry]])));
        if (isLeft(manifest)) throw new Error(JSON.stringify(manifest.left));
        expect([...manifest.right]).toEqual([["a:b", entry]]);
        const listed = manifest.right.get("a:b");
        if (listed === undefined) throw new Error("expected the manifest to list the tensor");
        expect(unpacked("a:b", listed, parts)).toEqual(tensor);
      }),
      { numRuns: 500 },
    );
  });

  test("rounded to half of its bytes says by how much", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(0), fc.float({ min: -6e4, max: 6e4, noNaN: true })), {
          minLength: 48,
          maxLength: 48,
        }),
        fc.constantFrom("F16", "BF16"),
        fc.constantFrom("csr", "bitmask", "channels", "4x1"),
        (values, dtype, layout) => {
          const data = Float32Array.from(values);
          const tensor = tensorFromFloat32("F32", [6, 8], data);
          const spec = parseLayout(layout);
          const layouts = spec === undefined ? [] : [spec];
          const { entry, parts, error } = packTensor("w", tensor, { layouts, dtype });
          if (entry === null || error === null) throw new Error("expected a rounded tensor");
          const read = unpacked("w", entry, parts);
          expect([read.dtype, read.shape]).toEqual(["F32", [6, 8]]);
          const after = toFloat32(read);
          const differences = data.map((value, i) => Math.abs(value - (after[i] ?? NaN)));
          expect(error.maximum).toBe(Math.max(...differences));
          const rounded = toFloat32(tensorFromFloat32(dtype, [6, 8], data));
          expect(after).toEqual(rounded);
        },
      ),
    );
  });

  test("refuses elements that the type asked for cannot hold, and keeps infinities", () => {
    const tensor = (value: number) =>
      tensorFromFloat32("F32", [1, 4], Float32Array.of(0, 0, value, 0));
    expect(() => packTensor("w", tensor(1e6), { dtype: "F16" })).toThrow(
      "w: expected elements that F16 can hold, got one beyond its range",
    );
    const { error } = packTensor("w", tensor(Infinity), { dtype: "F16" });
    expect(error).toEqual({ maximum: 0, relative: 0 });
  });

  test("of eight bits states the error that it has", () => {
    const values = Float32Array.from({ length: 64 }, (_, i) => (i % 8 === 0 ? Math.sin(i) : 0));
    const tensor = tensorFromFloat32("F32", [8, 8], values);
    const layouts = [{ layout: "blocks", block: [4, 1] }] as const;
    const { entry, parts, error } = packTensor("w", tensor, { layouts, quantize: true });
    if (entry === null) throw new Error("expected a smaller layout");
    const after = toFloat32(unpacked("w", entry, parts));
    const differences = values.map((value, i) => Math.abs(value - (after[i] ?? NaN)));
    expect(error?.maximum).toBeCloseTo(Math.max(...differences), 7);
    expect(error?.maximum).toBeGreaterThan(0);
    expect(total(parts)).toBe(4 * 3 + 2 * (2 + 2 + 4));
  });

  test("of eight bits unpacks to its own type, with the error that it has there", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("F32", "F16", "BF16"),
        fc.array(fc.oneof(fc.constant(0), fc.float({ min: -6e4, max: 6e4, noNaN: true })), {
          minLength: 256,
          maxLength: 256,
        }),
        (dtype, values) => {
          const tensor = tensorFromFloat32(dtype, [16, 16], Float32Array.from(values));
          const { entry, parts, error } = packTensor("w", tensor, { quantize: true });
          if (entry === null) throw new Error("expected a smaller layout");
          const text = formatManifest(new Map([["w", entry]]));
          expect(isRight(parseManifest("file", text))).toBe(true);
          const read = unpacked("w", entry, parts);
          expect([read.dtype, read.shape]).toEqual([dtype, [16, 16]]);
          const [before, after] = [toFloat32(tensor), toFloat32(read)];
          const largest = before.reduce((most, value, i) => {
            return Math.max(most, Math.abs(value - (after[i] ?? NaN)));
          }, 0);
          if (entry.stored.layout === "quantized") expect(entry.dtype).toBe("F32");
          // The difference is told before a product is rounded to a 32-bit float.
          expect(Math.abs((error?.maximum ?? 0) - largest)).toBeLessThanOrEqual(2 ** -24 * 6e4);
        },
      ),
    );
  });

  test("goes into the layout that is smallest once blocks have eight bits", () => {
    // Half of the values of every second block of four: a bit each is smaller than 32-bit blocks, not than these.
    const values = Float32Array.from({ length: 1024 }, (_, i) =>
      i % 2 === 0 && (i >> 5) % 2 === 0 ? 1 + i : 0,
    );
    const tensor = tensorFromFloat32("F32", [32, 32], values);
    const layouts = [{ layout: "blocks", block: [4, 1] }, { layout: "bitmask" }] as const;
    expect(packTensor("w", tensor, { layouts }).entry?.stored.layout).toBe("bitmask");
    const { entry, parts } = packTensor("w", tensor, { layouts, quantize: true });
    expect(entry?.stored).toEqual({ layout: "quantized", block: [4, 1] });
    expect(total(parts)).toBe(4 * 9 + 128 * (2 + 2 + 4));
    // Shorter numbers, too.
    const shorter = tensorFromFloat32("BF16", [32, 32], values);
    const small = packTensor("w", shorter, { layouts: [layouts[0]], quantize: true });
    expect(small.entry).toMatchObject({ dtype: "F32", unpacked: "BF16" });
    // What was not pruned is not rounded, though eight bits were fewer: an embedding with a row of zeros.
    for (const dtype of ["F32", "BF16"] as const) {
      const embedding = values.map((_, i) => (i < 4 ? 0 : Math.sin(i)));
      const tensor = tensorFromFloat32(dtype, [256, 4], embedding);
      expect(packTensor("w", tensor, { layouts: [layouts[0]], quantize: true }).entry).toBeNull();
    }
  });

  test("has blocks in eight bits where it is rounded as well", () => {
    const values = Float32Array.from({ length: 64 }, (_, i) => (i % 8 === 0 ? Math.sin(i) : 0));
    const tensor = tensorFromFloat32("F32", [8, 8], values);
    const pack = (layout: string) => {
      const spec = parseLayout(layout);
      const layouts = spec === undefined ? [] : [spec];
      return packTensor("w", tensor, { layouts, dtype: "F16", quantize: true });
    };
    expect(pack("4x1").entry).toMatchObject({ dtype: "F32", stored: { layout: "quantized" } });
    // From the values that it had, not from those that were rounded before.
    const layouts = [{ layout: "blocks", block: [4, 1] }] as const;
    expect(pack("4x1")).toEqual(packTensor("w", tensor, { layouts, quantize: true }));
    expect(pack("bitmask").entry).toMatchObject({ dtype: "F16", stored: { layout: "bitmask" } });
  });

  test("of eight bits is refused by name where it is not finite, or would not be", () => {
    const layouts = [{ layout: "blocks", block: [2, 1] }] as const;
    const pack = (dtype: "F32" | "F16", value: number) => {
      const data = new Float32Array(16);
      data[5] = value;
      return packTensor("fc.weight", tensorFromFloat32(dtype, [4, 4], data), {
        ...{ layouts, quantize: true },
      });
    };
    expect(() => pack("F32", Number.NaN)).toThrow(
      "fc.weight[5]: expected a finite number, got NaN",
    );
    expect(() => pack("F16", 65504)).toThrow(
      "fc.weight: expected elements that F16 can hold when they are rounded to eight bits",
    );
    expect(pack("F16", 65000).entry?.stored.layout).toBe("quantized");
  });

  test("keeps the blocks of a mask even where they are zero", () => {
    const tensor = tensorFromFloat32("F32", [8, 8], new Float32Array(64));
    const mask = new Uint8Array(64);
    mask[9] = 1;
    const layouts = [{ layout: "blocks", block: [4, 1] }] as const;
    const { parts } = packTensor("w", tensor, { layouts }, mask);
    expect(new Map(parts).get("w:columns")?.bytes).toEqual(Uint8Array.of(1, 0));
  });
});

describe("integers with a scale for each row", () => {
  const shapes = [
    [64, 64],
    [67, 131],
    [1, 4099],
    [4099, 1],
    [61, 5, 3, 7],
  ] as const;
  /** A matrix whose blocks are kept by chance; every fifth row is zero. */
  const valuesOf = (
    shape: readonly number[],
    block: readonly [number, number],
    sparsity: number,
    seed: number,
  ): Float32Array => {
    const [rows = 0, ...others] = shape;
    const columns = others.reduce((product, extent) => product * extent, 1);
    const chance = (a: number, b: number): number => {
      const wave = Math.sin(a * 12.9898 + b * 78.233 + seed) * 43758.5453;
      return wave - Math.floor(wave);
    };
    return Float32Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const kept = chance(Math.floor(row / block[0]), Math.floor(column / block[1])) >= sparsity;
      return kept && row % 5 !== 4 ? Math.tan(3 * (chance(row, column + 0.5) - 0.5)) : 0;
    });
  };

  test("are off by at most half of their row's scale, for every pattern and shape", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(
        fc.constantFrom(...shapes),
        fc.constantFrom("dense", "4x1", "8x1", "16x1", "1x4", "2x3", "csr"),
        fc.constantFrom(0, 0.5, 0.9, 1),
        fc.constantFrom("F32", "F16", "BF16"),
        fc.integer({ min: 2, max: 8 }),
        fc.nat(1000),
        (shape, pattern, sparsity, dtype, bits, seed) => {
          const spec = parseLayout(pattern);
          const block = spec?.layout === "blocks" ? spec.block : ([1, 1] as const);
          const tensor = tensorFromFloat32(dtype, shape, valuesOf(shape, block, sparsity, seed));
          const layouts = spec === undefined ? [] : [spec];
          const { entry, parts, error } = packTensor("w", tensor, { layouts, int8: true, bits });
          const before = toFloat32(tensor);
          const columns = before.length / shape[0];
          if (dtype !== "F32" && columns <= 2) {
            // A scale and an integer are no smaller than a number of two bytes.
            expect(entry?.stored.layout).not.toBe("int8");
            return;
          }
          if (entry?.stored.layout !== "int8") throw new Error("expected integers");
          seen.add(describeStored(entry));
          expect([entry.dtype, entry.unpacked]).toEqual(["F32", dtype]);
          const isSmaller = pattern !== "dense" && sparsity >= 0.9 && shape.length === 2;
          if (isSmaller && columns > 60 && shape[0] > 60) expect(entry.stored.block).toEqual(block);
          expect(total(parts)).toBeLessThanOrEqual(before.length + 2 * shape[0]);
          const read = unpacked("w", entry, parts);
          expect([read.dtype, read.shape]).toEqual([dtype, shape]);
          const after = toFloat32(read);
          let maximum = 0;
          for (let row = 0; row < shape[0]; row++) {
            const own = before.subarray(row * columns, (row + 1) * columns);
            const largest = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
            // The scale is rounded up to eight bits, the result to those of its type.
            const rounding = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8 }[dtype] * largest * 1.01;
            const half = ((largest / (2 ** (bits - 1) - 1)) * (1 + 2 ** -7) + 2 ** -133) / 2;
            own.forEach((value, column) => {
              const difference = Math.abs(value - (after[row * columns + column] ?? NaN));
              if (difference > half + rounding + 2 ** -25 * Number(dtype === "F16"))
                throw new Error(`${row}, ${column}: ${difference} for ${half}`);
              maximum = Math.max(maximum, difference);
            });
          }
          expect(Math.abs((error?.maximum ?? NaN) - maximum)).toBeLessThanOrEqual(1e-6);
        },
      ),
      { numRuns: 300 },
    );
    expect([...seen].sort()).toEqual(
      ["16x1", "1x1", "1x4", "2x3", "4x1", "8x1", "dense"].map((one) => `${one} int8`),
    );
  });

  test("take the smallest of dense and all blocks, in the bytes that these need", () => {
    const values = valuesOf([64, 64], [4, 1], 0.9, 1);
    const tensor = tensorFromFloat32("F32", [64, 64], values);
    const { entry, parts } = packTensor("w", tensor, { int8: true });
    expect(entry?.stored).toEqual({ layout: "int8", block: [4, 1] });
    const sizes = parts.map(([name, { dtype, shape }]) => [name, dtype, shape.join("x")]);
    const blocks = parts[2]?.[1].shape[0] ?? 0;
    expect(sizes).toEqual([
      ["w:bits", "U8", "128"],
      ["w:scales", "BF16", "64"],
      ["w:values", "I8", `${blocks}x4x1`],
    ]);
    expect(
      packTensor("w", tensor, { int8: true, layouts: [] }).parts.map(([name]) => name),
    ).toEqual(["w:scales", "w:values"]);
    // Nothing but zeros takes no bytes in another layout.
    const zeros = tensorFromFloat32("F32", [64, 64], new Float32Array(4096));
    expect(packTensor("w", zeros, { int8: true }).entry?.stored.layout).toBe("channels");
  });

  test("keep the blocks of a mask", () => {
    const tensor = tensorFromFloat32("F32", [64, 64], valuesOf([64, 64], [4, 1], 0.9, 1));
    const mask = new Uint8Array(4096).fill(0).fill(1, 0, 64);
    const layouts = [{ layout: "blocks", block: [4, 1] }] as const;
    const { parts } = packTensor("w", tensor, { layouts, int8: true }, mask);
    expect(new Map(parts).get("w:bits")?.bytes.subarray(0, 8)).toEqual(new Uint8Array(8).fill(255));
  });

  test("are not for small matrices, vectors and other types, of which vectors can be halved", () => {
    const floats = (shape: readonly number[]) =>
      tensorFromFloat32(
        "F32",
        shape,
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
      );
    for (const shape of [[9000], [2, 384], [63, 65]])
      expect(packTensor("w", floats(shape), { int8: true }).entry).toBeNull();
    const { entry, error } = packTensor("w", floats([9000]), { int8: true, dtype: "F16" });
    expect(entry).toMatchObject({ shape: [9000], dtype: "F16", stored: { layout: "dense" } });
    expect(error?.maximum).toBeLessThanOrEqual(2 ** -12);
    expect(packTensor("w", floats([9000]), { dtype: "F16" }).entry).toBeNull();
    expect(packTensor("w", floats([]), { int8: true, dtype: "F16" }).entry).toBeNull();
    const integers = { dtype: "I64", shape: [1, 5000], bytes: new Uint8Array(40_000) } as const;
    expect(packTensor("w", integers, { int8: true, dtype: "F16" }).entry).toBeNull();
    // Matrices of the least size are rounded once, from the values that they had.
    const both = packTensor("w", floats([64, 64]), { int8: true, dtype: "F16" });
    expect(both).toEqual(packTensor("w", floats([64, 64]), { int8: true }));
  });

  test("are refused by name if they are not finite, or would not be", () => {
    for (const [dtype, wrong] of [
      ["F32", Number.NaN],
      ["F32", -Infinity],
      ["BF16", Infinity],
    ] as const) {
      const data = new Float32Array(4096).fill(1, 0, 40);
      data[70] = wrong;
      expect(() =>
        packTensor("w", tensorFromFloat32(dtype, [64, 64], data), { int8: true }),
      ).toThrow(`w[70]: expected a finite number, got ${wrong}`);
    }
    const large = tensorFromFloat32("F16", [64, 64], new Float32Array(4096).fill(65504));
    expect(() => packTensor("w", large, { int8: true })).toThrow(
      "w: expected elements that F16 can hold when they are rounded to eight bits",
    );
    const options = { int8: true, quantize: true };
    expect(() => packTensor("w", large, options)).toThrow("quantize: expected false beside int8");
    expect(() => packTensor("w", large, { bits: 7 })).toThrow("bits: expected int8 beside it");
    expect(() => packTensor("w", large, { int8: true, bits: 9 })).toThrow("bits: expected");
  });

  test("are refused if their parts do not fit the tensor", () => {
    const tensor = tensorFromFloat32("F32", [66, 65], valuesOf([66, 65], [4, 1], 0.9, 1));
    for (const layouts of [[], [{ layout: "blocks", block: [4, 1] }]] as const) {
      const { entry, parts } = packTensor("w", tensor, { layouts, int8: true });
      if (entry === null) throw new Error("expected integers");
      for (const [name, part] of parts) {
        const refused = (changed: Partial<StoredTensor>, expected: object) =>
          expect(
            unpackTensor("w", entry, new Map(parts).set(name, { ...part, ...changed })),
          ).toMatchObject({ left: [{ path: expect.stringContaining(name), ...expected }] });
        refused({ dtype: "F32", bytes: new Uint8Array(8) }, { got: "F32" });
        refused({ shape: [...part.shape, 1] }, { got: `[${[...part.shape, 1]}]` });
        const size = part.dtype === "BF16" ? 2 : 1;
        refused({ bytes: part.bytes.subarray(size) }, {});
        const without = new Map(parts);
        without.delete(name);
        expect(unpackTensor("w", entry, without)).toMatchObject({
          left: [{ path: name, got: "none" }],
        });
      }
      expect(isLeft(unpackTensor("w", { ...entry, shape: [67, 65] }, new Map(parts)))).toBe(true);
    }
  });

  test("are read without being unpacked", () => {
    const tensor = tensorFromFloat32("F32", [66, 65], valuesOf([66, 65], [4, 1], 0.9, 1));
    const { matrix } = quantizeRows(toFloat32(tensor), [66, 65], { block: [4, 1] });
    const { entry, parts } = packTensor("w", tensor, { int8: true });
    if (entry === null) throw new Error("expected integers");
    expect(readPackedMatrix("w", entry, new Map(parts))).toEqual({ _tag: "Right", right: matrix });
  });
});

test("a few bytes do not unpack to any number of zeros", () => {
  const entry: PackedEntry = {
    ...{ shape: [2 ** 15, 2 ** 12], dtype: "F32", unpacked: "F32" },
    stored: { layout: "channels" },
  };
  const none = { dtype: "U32", shape: [0], bytes: new Uint8Array(0) } as const;
  const parts = (columns: number): Map<string, StoredTensor> =>
    new Map<string, StoredTensor>([
      ["w:rows", none],
      ["w:columns", { ...none, shape: [columns], bytes: new Uint8Array(4 * columns) }],
      ["w:values", { dtype: "F32", shape: [0, columns], bytes: new Uint8Array(0) }],
    ]);
  expect(unpackTensor("w", entry, parts(0))).toMatchObject({
    left: [{ path: "w", expected: "at most 67108864 elements of 0 bytes", got: "134217728" }],
  });
  const small: PackedEntry = { ...entry, shape: [2 ** 13, 2 ** 13] };
  expect(isRight(unpackTensor("w", small, parts(0)))).toBe(true);
});

test("zeros that would be too few bytes for a reader stay dense, in the element type asked for", () => {
  const shape = [2 ** 10, 2 ** 9 + 1];
  const tensor: StoredTensor = { dtype: "F32", shape, bytes: new Uint8Array(4 * 2 ** 10 * 513) };
  const options = { layouts: [{ layout: "channels" }] } as const;
  const plain = packTensor("w", tensor, options);
  expect([plain.entry, plain.parts[0]?.[1] === tensor]).toEqual([null, true]);
  expect(packedSize(tensor, options.layouts)).toEqual({ spec: null, bytes: tensor.bytes.length });
  const { entry, parts } = packTensor("w", tensor, { ...options, dtype: "F16" });
  expect(entry?.stored).toEqual({ layout: "dense" });
  expect(parts.map(([name, part]) => [name, part.dtype])).toEqual([["w:values", "F16"]]);
  // What is written in a second pass has the same parts.
  const again = packTensor("w", tensor, { layouts: [], dtype: "F16" });
  expect(again.parts.map(([name]) => name)).toEqual(["w:values"]);
  // Of several layouts the smallest that a reader takes: one start for each row of blocks, as many as it needs.
  const any = packTensor("w", tensor);
  expect(any.entry?.stored).toEqual({ layout: "blocks", block: [16, 1] });
  expect(packedSize(tensor).bytes).toBe(4 * (2 ** 6 + 1));
  expect(total(any.parts)).toBe(4 * (2 ** 6 + 1));
});

test("many tensors of a few bytes do not unpack to any number of zeros together", () => {
  const zeros = (extent: number): PackedEntry => ({
    ...{ shape: [extent, extent], dtype: "F32", unpacked: "F32", stored: { layout: "channels" } },
  });
  const text = (count: number, extent: number): string =>
    formatManifest(new Map(Array.from({ length: count }, (_, i) => [`${i}`, zeros(extent)])));
  const two = text(2, 2 ** 13);
  expect(isRight(parseManifest("file", two))).toBe(true);
  expect(isRight(parseManifest("file", two, 2 ** 14))).toBe(true);
  expect(parseManifest("file", two, 2 ** 14 - 1)).toMatchObject({
    left: [
      {
        path: "file: espalier.packed.tensors",
        expected: "at most 134213632 elements in a file of 16383 bytes",
        got: "134217728",
      },
    ],
  });
  // What is packed is read, however many there are: the largest zeros that are stored in nothing.
  const [rows, columns] = [2 ** 9, 2 ** 10];
  const tensor: StoredTensor = {
    ...{ dtype: "F32", shape: [rows, columns], bytes: new Uint8Array(4 * rows * columns) },
  };
  const { entry, parts } = packTensor("0", tensor);
  if (entry === null) throw new Error("expected a smaller layout");
  expect(total(parts)).toBe(0);
  const [manifest, stored] = [new Map<string, PackedEntry>(), new Map<string, StoredTensor>()];
  for (let i = 0; i < 1000; i++) {
    manifest.set(`${i}`, entry);
    for (const [part, one] of parts) stored.set(part.replace("0", `${i}`), one);
  }
  const metadata = { [PACKED_METADATA]: formatManifest(manifest) };
  const file = writeSafetensors(stored, metadata);
  const read = parseManifest("file", metadata[PACKED_METADATA], file.length);
  expect(isRight(read) && read.right.size).toBe(1000);
});

test("a dense tensor's part has its shape", () => {
  const tensor = tensorFromFloat32("F32", [2, 4], new Float32Array(8).fill(1));
  const { entry, parts } = packTensor("w", tensor, { layouts: [], dtype: "F16" });
  const [part] = parts;
  if (entry === null || part === undefined) throw new Error("expected a rounded tensor");
  expect(isRight(unpackTensor("w", entry, new Map([part])))).toBe(true);
  const turned = { ...part[1], shape: [4, 2] };
  expect(unpackTensor("w", entry, new Map([["w:values", turned]]))).toMatchObject({
    left: [{ path: "w:values", expected: "the shape [2,4]", got: "[4,2]" }],
  });
});

test("parts that do not fit a tensor are refused by name", () => {
  const values = new Float32Array(64).fill(1, 8, 12);
  const tensor = tensorFromFloat32("F32", [16, 4], values);
  for (const layout of ["4x1", "csr", "2:4", "bitmask", "channels"]) {
    const spec = parseLayout(layout);
    const data =
      layout === "2:4" ? tensorFromFloat32("F32", [16, 4], new Float32Array(64)) : tensor;
    const { entry, parts } = packTensor("w", data, { layouts: spec === undefined ? [] : [spec] });
    if (entry === null) throw new Error(`expected ${layout} to be smaller`);
    for (const [name, part] of parts) {
      const without = new Map(parts);
      without.delete(name);
      expect(unpackTensor("w", entry, without)).toMatchObject({
        left: [{ path: name, expected: "a tensor in the file", got: "none" }],
      });
      const other = new Map(parts).set(name, { ...part, dtype: "I64", bytes: new Uint8Array(8) });
      expect(unpackTensor("w", entry, other)).toMatchObject({ left: [{ path: name, got: "I64" }] });
      const size =
        part.bytes.length /
        Math.max(
          1,
          part.shape.reduce((a, b) => a * b, 1),
        );
      const flat = new Map(parts).set(name, { ...part, shape: [1, ...part.shape] });
      expect(unpackTensor("w", entry, flat)).toMatchObject({
        left: [{ path: name, expected: `the shape [${part.shape}]`, got: `[1,${part.shape}]` }],
      });
      const longer = new Uint8Array(part.bytes.length + size);
      longer.set(part.bytes);
      const long = new Map(parts).set(name, { ...part, bytes: longer });
      expect(isLeft(unpackTensor("w", entry, long))).toBe(true);
    }
    const wider: PackedEntry = { ...entry, shape: [16, 400_000] };
    expect(unpackTensor("w", wider, new Map(parts))._tag).toBe(
      layout === "channels" ? "Right" : "Left",
    );
  }
});
