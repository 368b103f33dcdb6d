import fc from "fast-check";
import { expect, test } from "vitest";
import { formatProblem, isLeft, isRight } from "../../src/core/either.ts";
import { DTYPES, type Dtype, elementBytes } from "../../src/io/dtypes.ts";
import {
  layOutSafetensors,
  readSafetensors,
  readSafetensorsOrThrow,
  type StoredTensor,
  tensorFromFloat32,
  toFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";
import {
  parseSafetensorsHeader,
  type SafetensorsReadOptions,
  safetensorsHeaderEnd,
} from "../../src/io/safetensors-header.ts";

/** A file from its JSON header as text and its data. */
function fileOf(header: string, data: ArrayLike<number> = [], statedLength?: bigint): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, statedLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

function problemsOf(bytes: Uint8Array, options: SafetensorsReadOptions = {}): readonly string[] {
  const result = readSafetensors(bytes, { source: "m.safetensors", ...options });
  if (isRight(result)) throw new Error("expected the file to be refused");
  return result.left.map(formatProblem);
}

const tensor: fc.Arbitrary<StoredTensor> = fc
  .record({
    dtype: fc.constantFrom(...DTYPES),
    extents: fc.array(fc.nat({ max: 3 }), { maxLength: 4 }),
  })
  .chain(({ dtype, extents }) => {
    // Four elements of F4 and F6 are whole bytes.
    const shape = elementBytes(dtype) < 1 ? [...extents, 4] : extents;
    const size = shape.reduce((a, b) => a * b, 1) * elementBytes(dtype);
    return fc
      .uint8Array({ minLength: size, maxLength: size })
      .map((bytes) => ({ dtype, shape, bytes }));
  });
const text = fc.string({ unit: "grapheme" });
const name = fc.oneof(
  text.filter((s) => s !== "__metadata__"),
  fc.constantFrom("__proto__", "constructor", "10", "9", "a.b/c", "\u{10000}", "\uffff"),
);
const file = fc.record({
  tensors: fc.array(fc.tuple(name, tensor), { maxLength: 8 }).map((entries) => new Map(entries)),
  metadata: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
});

test("what is written is read back bit for bit: every dtype, shape, name and metadata", () => {
  fc.assert(
    fc.property(file, ({ tensors, metadata }) => {
      const bytes = writeSafetensors(tensors, metadata);
      const read = readSafetensorsOrThrow(bytes, { alignment: "required" });
      expect(read.metadata).toEqual(metadata);
      expect(read.tensors.size).toBe(tensors.size);
      for (const [key, { dtype, shape, bytes: data }] of tensors) {
        const found = read.tensors.get(key);
        expect(found?.dtype).toBe(dtype);
        expect(found?.shape).toEqual(shape);
        expect([...(found?.bytes ?? [])]).toEqual([...data]);
      }
    }),
    { numRuns: 500 },
  );
});

test("equal content gives equal bytes, whatever the order", () => {
  fc.assert(
    fc.property(file, ({ tensors, metadata }) => {
      const reversed = new Map([...tensors].reverse());
      expect(writeSafetensors(reversed, metadata)).toEqual(writeSafetensors(tensors, metadata));
      const read = readSafetensorsOrThrow(writeSafetensors(tensors, metadata));
      expect(writeSafetensors(read.tensors, read.metadata)).toEqual(
        writeSafetensors(tensors, metadata),
      );
    }),
  );
});

test("the bytes are the official implementation's", () => {
  const tensors = new Map<string, StoredTensor>([
    ["mask", { dtype: "BOOL", shape: [3], bytes: Uint8Array.of(1, 0, 1) }],
    ["b", tensorFromFloat32("F32", [1], Float32Array.of(1))],
    ["ids", { dtype: "I64", shape: [1], bytes: Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0) }],
    ["a", tensorFromFloat32("F32", [], Float32Array.of(-0))],
    ["half", tensorFromFloat32("F16", [1], Float32Array.of(1))],
  ]);
  const header =
    '{"__metadata__":{"format":"pt"},' +
    '"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},' +
    '"a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},' +
    '"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},' +
    '"half":{"dtype":"F16","shape":[1],"data_offsets":[16,18]},' +
    '"mask":{"dtype":"BOOL","shape":[3],"data_offsets":[18,21]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8, " ");
  const data = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0x80, 0x3f, 0, 0x3c, 1, 0, 1];
  expect(writeSafetensors(tensors, { format: "pt" })).toEqual(fileOf(padded, data));
});

test("a file without tensors or metadata", () => {
  const bytes = writeSafetensors(new Map());
  expect(bytes).toEqual(fileOf("{}      "));
  expect(readSafetensorsOrThrow(bytes)).toEqual({
    tensors: new Map(),
    metadata: {},
    aliases: new Map(),
  });
});

test("tensors are views on the file and come in its order", () => {
  const header =
    '{"z":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},' +
    '"1":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  const bytes = fileOf(header, [7, 8]);
  const { tensors } = readSafetensorsOrThrow(bytes);
  expect([...tensors.keys()]).toEqual(["1", "z"]);
  expect(tensors.get("z")?.bytes.buffer).toBe(bytes.buffer);
});

test("a misaligned tensor is read, and refused where alignment is required", () => {
  const header =
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},' +
    '"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}';
  const bytes = fileOf(header.padEnd(Math.ceil(header.length / 8) * 8), [9, 0, 0, 0xc0, 0x3f]);
  const b = readSafetensorsOrThrow(bytes).tensors.get("b");
  if (b === undefined) throw new Error("expected b");
  expect([...toFloat32(b)]).toEqual([1.5]);
  expect(problemsOf(bytes, { alignment: "required" })).toEqual([
    `m.safetensors: b: expected a file offset divisible by 4, got ${bytes.length - 4}`,
  ]);
});

const U8_PAIR = '"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}';
const entry = (dtype: string, shape: string, offsets: string): string =>
  `{"a":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;

test.each([
  ["nothing", new Uint8Array(0), /expected a safetensors file, got an empty file/],
  ["seven bytes", new Uint8Array(7), /at least 8 bytes, got 7/],
  ["no header", new Uint8Array(8), /\{ as its first byte, got nothing/],
  ["a header length of 2^60", fileOf("{}", [], 1n << 60n), /at most 100000000 bytes, got 115292/],
  ["a header length of 2^64 - 1", fileOf("{}", [], (1n << 64n) - 1n), /got 18446744073709551615/],
  [
    "a header beyond the end",
    fileOf("{}", [], 3n),
    /within the file's 10 bytes, got one that .* 11/,
  ],
  ["a header of an array", fileOf("[]"), /\{ as its first byte, got byte 91/],
  ["a header after a blank", fileOf(" {}"), /got byte 32/],
  ["a header after a byte-order mark", fileOf("\ufeff{}"), /got byte 239/],
  ["a header that is no JSON", fileOf("{]"), /header: expected JSON/],
  ["a header that is no UTF-8", fileOf("{}", [], 2n).fill(0xff, 9), /UTF-8/],
  ["a header with more after it", fileOf("{}{}"), /header: expected JSON/],
  ["a header of zeros after it", fileOf("{}\0\0"), /header: expected JSON/],
  ["a name twice", fileOf(`{${U8_PAIR},${U8_PAIR}}`, [1, 2]), /once in its object, got "a" twice/],
  ["a tensor that is a number", fileOf('{"a":1}'), /a: expected an object, got 1/],
  ["no dtype", fileOf('{"a":{"shape":[],"data_offsets":[0,0]}}'), /a\.dtype: .* got undefined/],
  ["an unknown dtype", fileOf(entry('"F8"', "[0]", "[0,0]")), /one of BOOL, F4, .* got "F8"/],
  ["a dtype from Object", fileOf(entry('"toString"', "[0]", "[0,0]")), /got "toString"/],
  ["another key", fileOf('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}}'), /got "x"/],
  ["a negative extent", fileOf(entry('"U8"', "[-1]", "[0,0]")), /a\.shape: expected a list of/],
  ["a fractional extent", fileOf(entry('"U8"', "[0.5]", "[0,0]")), /a\.shape: expected a list of/],
  ["an extent over 2^53", fileOf(entry('"U8"', "[9007199254740993]", "[0,0]")), /a\.shape: /],
  [
    "a product over 2^53",
    fileOf(entry('"F32"', "[4294967296,4294967296]", "[0,0]")),
    /2\^53 bytes/,
  ],
  [
    "a huge product times zero",
    fileOf(entry('"F32"', "[4294967296,4294967296,0]", "[0,0]")),
    /2\^53/,
  ],
  [
    "a byte filled in part",
    fileOf(entry('"F4"', "[3]", "[0,2]"), [1, 2]),
    /a\.shape: expected a whole number of bytes of F4, got "\[3\]"/,
  ],
  ["a shape that is no list", fileOf(entry('"U8"', '"2"', "[0,2]"), [1, 2]), /a\.shape/],
  ["one offset", fileOf(entry('"U8"', "[2]", "[2]"), [1, 2]), /a\.data_offsets: expected two/],
  ["a negative offset", fileOf(entry('"U8"', "[2]", "[-2,0]")), /a\.data_offsets: expected two/],
  ["offsets in reverse", fileOf(entry('"U8"', "[2]", "[2,0]"), [1, 2]), /begin <= end, got "2, 0"/],
  ["offsets over 2^53", fileOf(entry('"U8"', "[1]", "[1e300,1e300]")), /a\.data_offsets/],
  [
    "too few bytes for the shape",
    fileOf(entry('"F32"', "[2]", "[0,4]"), [0, 0, 0, 0]),
    /8 bytes for F32 \[2\], got 4/,
  ],
  [
    "a byte too many for the dtype",
    fileOf(entry('"F32"', "[1]", "[0,5]"), [0, 0, 0, 0, 0]),
    /got 5/,
  ],
  [
    "a hole at the beginning",
    fileOf(entry('"U8"', "[1]", "[1,2]"), [0, 0]),
    /at offset 0, got a hole: offset 1/,
  ],
  [
    "data cut short",
    fileOf(`{${U8_PAIR}}`, [1]),
    /expected a file of \d+ bytes, as its header says, got \d+/,
  ],
  ["data left over", fileOf(`{${U8_PAIR}}`, [1, 2, 3]), /expected a file of/],
  ["data without tensors", fileOf("{}", [1]), /expected a file of 10 bytes/],
  [
    "metadata of numbers",
    fileOf('{"__metadata__":{"n":1}}'),
    /__metadata__\.n: expected a string, got 1/,
  ],
  [
    "metadata of text",
    fileOf('{"__metadata__":"pt"}'),
    /__metadata__: expected an object of strings/,
  ],
])("%s is refused", (_, bytes, message) => {
  expect(problemsOf(bytes).join("\n")).toMatch(message);
});

test("metadata that names a tensor for an absent name is an alias", () => {
  const tensors = new Map([
    ["output.weight", tensorFromFloat32("F32", [1], Float32Array.of(1))],
    ["norm", tensorFromFloat32("F32", [1], Float32Array.of(1))],
  ]);
  const metadata = {
    format: "pt",
    "embeddings.weight": "output.weight",
    "head.weight": "output.weight",
    lost: "absent",
    norm: "output.weight",
  };
  const { aliases } = readSafetensorsOrThrow(writeSafetensors(tensors, metadata));
  expect([...aliases]).toEqual([
    ["embeddings.weight", "output.weight"],
    ["head.weight", "output.weight"],
  ]);
});

test("holes and overlaps between tensors are told by name", () => {
  const two = (first: string, second: string): string =>
    `{"a":{"dtype":"U8","shape":[2],"data_offsets":${first}},` +
    `"b":{"dtype":"U8","shape":[2],"data_offsets":${second}}}`;
  expect(problemsOf(fileOf(two("[0,2]", "[3,5]"), [1, 2, 3, 4, 5]))).toEqual([
    "m.safetensors: b: expected data to begin at offset 2, got a hole: offset 3",
  ]);
  expect(problemsOf(fileOf(two("[0,2]", "[1,3]"), [1, 2, 3]))).toEqual([
    "m.safetensors: b: expected data to begin at offset 2, got an overlap: offset 1",
  ]);
  expect(problemsOf(fileOf(two("[0,2]", "[0,2]"), [1, 2]))).toHaveLength(1);
});

test("every problem is reported, not only the first", () => {
  const header =
    '{"a":{"dtype":"F9","shape":[],"data_offsets":[0,0]},' +
    '"b":{"dtype":"U8","shape":[-1],"data_offsets":[0,0]},"__metadata__":{"x":[]}}';
  expect(problemsOf(fileOf(header))).toHaveLength(3);
});

test("every truncation of a valid file is refused", () => {
  const bytes = writeSafetensors(
    new Map([["w", tensorFromFloat32("F32", [2, 2], Float32Array.of(1, 2, 3, 4))]]),
    { format: "pt" },
  );
  for (let length = 0; length < bytes.length; length++) {
    expect(isLeft(readSafetensors(bytes.subarray(0, length)))).toBe(true);
  }
});

test("a changed byte never throws: the file is read or refused", () => {
  const bytes = writeSafetensors(
    new Map<string, StoredTensor>([
      ["w", tensorFromFloat32("F32", [2], Float32Array.of(1, 2))],
      ["m", { dtype: "U8", shape: [3], bytes: Uint8Array.of(1, 2, 3) }],
    ]),
    { format: "pt" },
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      (changes) => {
        const changed = bytes.slice();
        for (const [at, value] of changes) changed[at] = value;
        const result = readSafetensors(changed);
        if (isLeft(result)) expect(result.left.length).toBeGreaterThan(0);
        else for (const stored of result.right.tensors.values()) toFloat32(stored);
      },
    ),
    { numRuns: 3000 },
  );
});

test("the header alone says where every tensor lies", () => {
  const bytes = writeSafetensors(
    new Map([["w", tensorFromFloat32("F32", [2], Float32Array.of(1, 2))]]),
  );
  const end = safetensorsHeaderEnd(bytes.subarray(0, 8), bytes.length);
  if (isLeft(end)) throw new Error("expected a header");
  const header = parseSafetensorsHeader(bytes.subarray(0, end.right), bytes.length);
  if (isLeft(header)) throw new Error("expected a header");
  expect(header.right.entries.get("w")).toEqual({
    dtype: "F32",
    shape: [2],
    begin: end.right,
    end: bytes.length,
  });
  expect(isLeft(parseSafetensorsHeader(bytes.subarray(0, end.right - 1), bytes.length))).toBe(true);
});

test.each<[string, string, StoredTensor, RegExp]>([
  [
    "wrong size",
    "w",
    { dtype: "F32", shape: [2], bytes: new Uint8Array(4) },
    /8 bytes for F32 \[2\], got 4/,
  ],
  ["unknown dtype", "w", { dtype: "F8" as Dtype, shape: [], bytes: new Uint8Array(1) }, /got "F8"/],
  [
    "a reserved name",
    "__metadata__",
    { dtype: "U8", shape: [0], bytes: new Uint8Array(0) },
    /name/,
  ],
  ["half a character", "\ud800", { dtype: "U8", shape: [0], bytes: new Uint8Array(0) }, /name/],
  ["an impossible shape", "w", { dtype: "U8", shape: [-1], bytes: new Uint8Array(0) }, /possible/],
])("%s cannot be written", (_, key, stored, message) => {
  expect(() => writeSafetensors(new Map([[key, stored]]))).toThrow(message);
});

test("a header for a name that cannot be read again is not laid out", () => {
  for (const name of ["__metadata__", "\ud800"]) {
    const sizes = new Map([[name, { dtype: "U8" as const, shape: [0], byteLength: 0 }]]);
    expect(() => layOutSafetensors(sizes)).toThrow(/^tensor name: expected text other than/);
  }
});

test("the throwing twin carries every problem; a wrong argument is a TypeError", () => {
  expect(() => readSafetensorsOrThrow(new Uint8Array(3))).toThrow(/at least 8 bytes, got 3/);
  expect(() => readSafetensors([] as unknown as Uint8Array)).toThrow(TypeError);
  expect(() => writeSafetensors(new Map(), { n: "\ud800" })).toThrow(RangeError);
  expect(() => writeSafetensors(new Map(), { n: 1 as unknown as string })).toThrow(TypeError);
});
