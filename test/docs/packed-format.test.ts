/** docs/packed-format.md: its reader in Python reads what is written, its schema takes what the parser takes. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  formatManifest,
  PACKED_METADATA,
  type PackedEntry,
  parseManifest,
} from "../../src/checkpoint/packed-manifest.ts";
import { type PackOptions, packTensor } from "../../src/checkpoint/packed-tensor.ts";
import { unpackTensor } from "../../src/checkpoint/unpack-tensor.ts";
import { isLeft, isRight } from "../../src/core/either.ts";
import { type Dtype, isDtype } from "../../src/io/dtypes.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { parseLayout } from "../../src/sparse/layout.ts";
import { temporaryDirectory } from "../cli/fixtures.ts";
import { findPython, needing } from "../needs.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { findFences } from "./snippets.ts";

const PYTHON = findPython();
const NUMPY = needing("python3 with numpy", "numpy reads every layout as the library does");

const path = join(PROJECT_ROOT, "docs", "packed-format.md");
const fences = findFences(readFileSync(path, "utf8"), "docs/packed-format.md");
const fence = (language: string): string =>
  fences.find((one) => one.language === language)?.code ?? "";

/** Tensors that stay as they are, of every other type; some have a packed tensor's name and a colon at their start. */
function plainTensors(): ReadonlyMap<string, StoredTensor> {
  const bytes = (array: { readonly buffer: ArrayBufferLike }) => new Uint8Array(array.buffer);
  const data: Partial<Record<Dtype, Uint8Array>> = {
    F64: bytes(Float64Array.of(0, 1e-300)),
    I64: bytes(BigInt64Array.of(-1n, 2n ** 62n)),
    U64: bytes(BigUint64Array.of(0n, 2n ** 64n - 1n)),
    I32: bytes(Int32Array.of(-5, 7)),
    U32: bytes(Uint32Array.of(5, 2 ** 32 - 1)),
    I16: bytes(Int16Array.of(-5, 7)),
    U16: bytes(Uint16Array.of(5, 65535)),
    I8: bytes(Int8Array.of(-5, 7)),
    U8: bytes(Uint8Array.of(5, 255)),
    BOOL: bytes(Uint8Array.of(0, 1)),
    F16: bytes(Uint16Array.of(0x3c00, 0x8000)),
    BF16: bytes(Uint16Array.of(0x3f80, 0x8000)),
    F32: bytes(Float32Array.of(1, -0)),
  };
  const tensors = new Map<string, StoredTensor>();
  for (const [dtype, stored] of Object.entries(data)) {
    if (!isDtype(dtype)) continue;
    tensors.set(`plain.${dtype}`, { dtype, shape: [2], bytes: stored });
    tensors.set(`4x1.F32.7x13:${dtype}`, { dtype, shape: [2], bytes: stored });
  }
  tensors.set("scalar", { dtype: "F32", shape: [], bytes: bytes(Float32Array.of(3)) });
  return tensors;
}

/** A tensor as numpy has it: numpy knows no bfloat16. */
function inNumpy(tensor: StoredTensor): readonly [dtype: string, bytes: Uint8Array] {
  if (tensor.dtype === "BF16") return ["float32", new Uint8Array(toFloat32(tensor).buffer)];
  if (tensor.dtype === "BOOL") return ["bool", tensor.bytes];
  const kind = { F: "float", I: "int", U: "uint" }[tensor.dtype.charAt(0)] ?? "";
  return [`${kind}${tensor.dtype.slice(1)}`, tensor.bytes];
}

/** A file that has every layout, on shapes that nothing divides, and what its tensors were. */
function everyLayout() {
  const tensors = new Map<string, StoredTensor>();
  const parts = new Map<string, StoredTensor>();
  const manifest = new Map<string, PackedEntry>();
  const add = (name: string, tensor: StoredTensor, options: PackOptions): void => {
    const packed = packTensor(name, tensor, options);
    for (const [part, stored] of packed.parts) parts.set(part, stored);
    if (packed.entry === null) tensors.set(name, tensor);
    else {
      manifest.set(name, packed.entry);
      const read = unpackTensor(name, packed.entry, new Map(packed.parts));
      if (isLeft(read)) throw new Error(JSON.stringify(read.left));
      tensors.set(name, read.right);
    }
  };
  const shapes = [
    [7, 13],
    [8, 16],
    [5, 3, 2, 3],
    [1, 70_000],
    [70_000, 1],
    [67, 131],
    [61, 5, 3, 7],
  ] as const;
  for (const shape of shapes) {
    const count = shape.reduce((product: number, extent) => product * extent, 1);
    const values = Float32Array.from({ length: count }, (_, i) =>
      (i * 7) % 13 < 2 || i === 3 ? Math.sin(i) : i === 5 ? -0 : 0,
    );
    for (const dtype of ["F32", "F16", "BF16"] as const) {
      const tensor = tensorFromFloat32(dtype, shape, values);
      for (const layout of ["4x1", "2x3", "csr", "bitmask", "channels", "1:4", "2:5"]) {
        const spec = parseLayout(layout);
        if (spec === undefined) continue;
        add(`${layout}.${dtype}.${shape.join("x")}`, tensor, { layouts: [spec] });
      }
    }
    const tensor = tensorFromFloat32("F32", shape, values);
    const blocks = { layouts: [{ layout: "blocks", block: [4, 1] }] } as const;
    for (const dtype of ["F32", "F16", "BF16"] as const) {
      const one = tensorFromFloat32(dtype, shape, values);
      add(`quantized.${dtype}.${shape.join("x")}`, one, { ...blocks, quantize: true });
    }
    for (const dtype of ["F32", "F16", "BF16"] as const)
      for (const [block, bits] of [
        ["dense", 8],
        ["4x1", 8],
        ["8x1", 7],
        ["1x4", 8],
        ["2x3", 4],
        ["csr", 8],
      ] as const) {
        const spec = parseLayout(block);
        const layouts = spec === undefined ? [] : [spec];
        const one = tensorFromFloat32(dtype, shape, values);
        add(`int8.${block}.${dtype}.${shape.join("x")}`, one, { layouts, int8: true, bits });
      }
    for (const dtype of ["F16", "BF16"] as const) {
      add(`dense.${dtype}.${shape.join("x")}`, tensor, { layouts: [], dtype });
      add(`rounded.${dtype}.${shape.join("x")}`, tensor, { ...blocks, dtype });
    }
  }
  for (const [name, tensor] of plainTensors()) add(name, tensor, {});
  const file = writeSafetensors(parts, { [PACKED_METADATA]: formatManifest(manifest) });
  return { file, tensors, manifest };
}

test.skipIf(PYTHON === undefined)(NUMPY, () => {
  const root = temporaryDirectory();
  const { file, tensors, manifest } = everyLayout();
  const layouts = new Set([...manifest.values()].map(({ stored }) => stored.layout));
  expect([...layouts].sort()).toEqual([
    "bitmask",
    "blocks",
    "channels",
    "dense",
    "groups",
    "int8",
    "quantized",
  ]);
  const isBlocks = ({ stored }: PackedEntry) => stored.layout === "int8" && "block" in stored;
  const integers = [...manifest.values()].filter(({ stored }) => stored.layout === "int8");
  expect(integers.filter(isBlocks).length).toBeGreaterThan(20);
  expect(integers.filter((entry) => !isBlocks(entry)).length).toBeGreaterThan(5);
  writeFileSync(join(root, "packed.safetensors"), file);
  mkdirSync(join(root, "out"));
  const program = `${fence("python")}
import sys
root = sys.argv[1]
for number, (name, array) in enumerate(sorted(read_packed(root + "/packed.safetensors").items())):
    array.tofile(f"{root}/out/{number}")
    print(name, array.dtype.name, *array.shape)
`;
  writeFileSync(join(root, "read.py"), program);
  const { status, stdout, stderr } = spawnSync(PYTHON ?? "", [join(root, "read.py"), root], {
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const lines = stdout.trim().split("\n");
  expect(lines).toHaveLength(tensors.size);
  lines.forEach((line, number) => {
    const [name = "", dtype, ...shape] = line.split(" ");
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`${name}: expected a tensor that was written`);
    expect([name, shape.map(Number)]).toEqual([name, tensor.shape]);
    const bytes = readFileSync(join(root, "out", String(number)));
    const [type, expected] = inNumpy(tensor);
    expect([name, dtype, Buffer.compare(bytes, expected)]).toEqual([name, type, 0]);
  });
});

describe("the schema", () => {
  const schema = JSON.parse(
    readFileSync(join(PROJECT_ROOT, "docs", "packed-manifest.schema.json"), "utf8"),
  );
  const ajv = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false });
  const validate = ajv.compile(schema);
  let written = "";
  beforeAll(() => {
    written = formatManifest(everyLayout().manifest);
  });

  test("takes what is written, and the example", () => {
    expect([validate(JSON.parse(written)), validate.errors]).toEqual([true, null]);
    expect([validate(JSON.parse(fence("json"))), validate.errors]).toEqual([true, null]);
    expect(isRight(parseManifest("example", fence("json")))).toBe(true);
  });

  test("and the parser take the same manifests", () => {
    const plain = { shape: [8, 8], dtype: "F32", unpacked: "F32" };
    const right = fc.constantFrom<object>(
      { layout: "blocks", block: [4, 1], ...plain },
      { layout: "quantized", block: [4, 1], ...plain },
      { layout: "groups", prune: 2, of: 4, ...plain },
      { layout: "int8", ...plain },
      { layout: "int8", block: [4, 1], ...plain },
      ...["bitmask", "channels", "dense"].map((layout) => ({ layout, ...plain, dtype: "F16" })),
    );
    const changes: Readonly<Record<string, readonly unknown[]>> = {
      layout: ["blocks", "quantized", "groups", "bitmask", "dense", "int8", "csr", 1, null],
      shape: [[4], [], [0, 3], [2, -1], [1.5], "8x8", [2 ** 31], [0, 2 ** 32], [2 ** 16, 2 ** 16]],
      dtype: ["F32", "F16", "BF16", "I8", 1],
      unpacked: ["F32", "F16", "BF16", "F64"],
      block: [[1, 1], [0, 1], [4], [4, 1, 1], "4x1", undefined],
      prune: [1, 3, 0, 4, "2", undefined],
      of: [4, 2, 1, 256, 257, undefined],
      more: [1],
    };
    const change = fc
      .constantFrom(...Object.keys(changes))
      .chain((key) => fc.constantFrom(...(changes[key] ?? [])).map((value) => [key, value]));
    const entry = fc
      .tuple(right, fc.array(change, { maxLength: 2 }))
      .map(([base, altered]) => ({ ...base, ...Object.fromEntries(altered) }));
    const tops = fc.constantFrom<object>(
      ...Array.from({ length: 6 }, () => ({ version: 1 })),
      ...Array.from({ length: 6 }, () => ({ version: 2 })),
      ...[{ version: 3 }, { version: "1" }, {}, { version: 1, more: 1 }],
      ...[
        { version: 1, tensors: [] },
        { version: 1, tensors: undefined },
      ],
    );
    let taken = 0;
    fc.assert(
      fc.property(entry, tops, (one, top) => {
        const text = JSON.stringify({ tensors: { w: one }, ...top });
        const manifest = JSON.parse(text);
        const { layout, prune, of, shape } = manifest.tensors?.w ?? {};
        // What a schema cannot say: that N is below M, and how many elements there are.
        const below = layout !== "groups" || prune < of;
        const fits = !Array.isArray(shape) || shape.reduce((a, b) => a * b, 1) < 2 ** 31;
        const read = isRight(parseManifest("file", text));
        if (read) taken++;
        expect([text, read]).toEqual([text, validate(manifest) && below && fits]);
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(500);
  });
});
