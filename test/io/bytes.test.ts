/** Readers take the bytes of Node and of browsers: Buffers, shared memory, arrays of another realm. */
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { checkFloat32Array, isTypedArray } from "../../src/core/checks.ts";
import { getOrThrow } from "../../src/core/either.ts";
import { plainBytes } from "../../src/io/bytes.ts";
import { rawElements } from "../../src/io/dtypes.ts";
import { readHuggingFaceModel, readHuggingFaceTokenizer } from "../../src/io/hugging-face.ts";
import { parseJsonObject } from "../../src/io/json.ts";
import {
  readSafetensorsOrThrow,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import { parseSafetensorsHeader, safetensorsHeaderEnd } from "../../src/io/safetensors-header.ts";
import { parseShardIndex } from "../../src/io/shard-index.ts";
import { readTorchFile, torchTensorBytes } from "../../src/io/torch-checkpoint.ts";
import { readTorchFixture } from "./torch-fixtures.ts";

/** The same bytes in every kind of array that callers have. */
const KINDS: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  "a Uint8Array": (bytes) => bytes.slice(),
  "a Buffer": (bytes) => Buffer.from(bytes),
  "a Buffer at an odd offset": (bytes) => Buffer.from([0, 0, 0, ...bytes]).subarray(3),
  "a view at an odd offset": (bytes) => Uint8Array.of(0, ...bytes).subarray(1),
  "shared memory": (bytes) => {
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 1), 1);
    shared.set(bytes);
    return shared;
  },
  "another realm": (bytes) => runInNewContext("Uint8Array.from(values)", { values: [...bytes] }),
};

/** TextDecoder as browsers have it. */
class StrictDecoder extends TextDecoder {
  override decode(input?: Uint8Array): string {
    if (input?.buffer instanceof SharedArrayBuffer) throw new TypeError("shared memory");
    return super.decode(input);
  }
}

afterEach(() => vi.unstubAllGlobals());

const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A file whose tensors begin at an odd offset, as older writers made them. */
function unpaddedFile(): Uint8Array {
  const header = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} ';
  const bytes = new Uint8Array(8 + header.length + 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(encoded(header), 8);
  bytes.set(new Uint8Array(Float32Array.of(1.5, -2).buffer), 8 + header.length);
  expect((8 + header.length) % 2).toBe(1);
  return bytes;
}

describe.each(Object.entries(KINDS))("%s", (_, kind) => {
  test("is read as safetensors, and its tensors widen", () => {
    vi.stubGlobal("TextDecoder", StrictDecoder);
    const bytes = kind(unpaddedFile());
    const tensor = readSafetensorsOrThrow(bytes).tensors.get("a");
    if (tensor === undefined) throw new Error("expected a tensor");
    expect([...toFloat32(tensor)]).toEqual([1.5, -2]);
    expect([...rawElements("F32", tensor.bytes)]).toEqual([1.5, -2]);
    expect([...toFloat32({ ...tensor, bytes: kind(tensor.bytes) })]).toEqual([1.5, -2]);
    const end = getOrThrow(safetensorsHeaderEnd(bytes, bytes.length));
    expect(getOrThrow(parseSafetensorsHeader(bytes, bytes.length)).entries.get("a")?.begin).toBe(
      end,
    );
    expect(Object.getPrototypeOf(tensor.bytes)).toBe(Uint8Array.prototype);
    const copy = writeSafetensors(new Map([["a", { ...tensor, bytes: kind(tensor.bytes) }]]));
    expect([...(readSafetensorsOrThrow(copy).tensors.get("a")?.bytes ?? [])]).toEqual([
      ...tensor.bytes,
    ]);
  });

  test("is read as a state dict", () => {
    vi.stubGlobal("TextDecoder", StrictDecoder);
    for (const name of ["zip.bin", "legacy.bin"]) {
      const bytes = kind(readTorchFixture(name));
      const source = {
        name,
        size: bytes.length,
        read: (begin: number, end: number) => bytes.subarray(begin, end),
      };
      const tensors = getOrThrow(readTorchFile(source));
      const twin = readSafetensorsOrThrow(readTorchFixture("twin.safetensors")).tensors;
      expect(tensors).toHaveLength(twin.size);
      for (const tensor of tensors)
        expect([...torchTensorBytes(source, tensor)]).toEqual([
          ...(twin.get(tensor.name)?.bytes ?? []),
        ]);
    }
  });

  test("is read as JSON, an index, and the files of a model", () => {
    vi.stubGlobal("TextDecoder", StrictDecoder);
    expect(getOrThrow(parseJsonObject("file", kind(encoded('{"a": "ü"}'))))).toEqual({ a: "ü" });
    const index = kind(encoded('{"weight_map": {"a": "a.safetensors"}}'));
    expect(getOrThrow(parseShardIndex("file", index)).files.get("a")).toBe("a.safetensors");
    const weight = tensorFromFloat32("F32", [1], Float32Array.of(2));
    const files = new Map([
      ["config.json", kind(encoded('{"model_type": "bert"}'))],
      ["model.safetensors", kind(writeSafetensors(new Map([["classifier.bias", weight]])))],
      ["vocab.txt", kind(encoded("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ntree\n"))],
    ]);
    expect(getOrThrow(readHuggingFaceModel(files)).tensors.size).toBe(1);
    expect(getOrThrow(readHuggingFaceTokenizer(files)).vocabulary.tokens).toHaveLength(6);
  });
});

test("every element type has the same elements at every offset, in a Buffer or not", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("I16", "F16", "F32", "F64", "I64", "U64", "C64"),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(8),
      (dtype, bytes, offset) => {
        const padded = Uint8Array.of(...new Uint8Array(offset), ...bytes);
        const moved = [padded.subarray(offset), Buffer.from(padded).subarray(offset)];
        for (const one of moved) expect(rawElements(dtype, one)).toEqual(rawElements(dtype, bytes));
      },
    ),
  );
});

test("other values are refused", () => {
  const values: readonly unknown[] = [[1], "text", new Int8Array(1), new ArrayBuffer(1), null];
  for (const value of values)
    expect(() => plainBytes(value as Uint8Array)).toThrow(/bytes: expected a Uint8Array, got/);
  expect(isTypedArray({ [Symbol.toStringTag]: "Uint8Array" }, "Uint8Array")).toBe(false);
});

test("arrays of floats may come from another realm", () => {
  const values: unknown = runInNewContext("Float32Array.of(1, 2)");
  expect(values instanceof Float32Array).toBe(false);
  expect(() => checkFloat32Array("values", values, 2)).not.toThrow();
});
