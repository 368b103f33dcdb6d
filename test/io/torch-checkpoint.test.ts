/** State dicts that torch.save wrote, read equal to their twin in safetensors; and files that are none. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLeft, isRight } from "../../src/core/either.ts";
import type { ByteSource } from "../../src/io/byte-source.ts";
import { readSafetensorsOrThrow } from "../../src/io/safetensors.ts";
import { readTorchFile, tiedTensors, torchTensorBytes } from "../../src/io/torch-checkpoint.ts";
import { readTorchFixture } from "./torch-fixtures.ts";

function sourceOf(bytes: Uint8Array): ByteSource {
  return {
    name: "file",
    size: bytes.length,
    read: (begin, end) => {
      if (!(begin >= 0 && begin <= end && end <= bytes.length)) throw new Error("outside");
      return bytes.slice(begin, end);
    },
  };
}

/** The problems of a file; none where it is read. */
function problemsOf(bytes: Uint8Array): readonly string[] {
  const found = readTorchFile(sourceOf(bytes));
  if (isRight(found)) return [];
  return found.left.map(({ path, expected, got }) => `${path}: expected ${expected}, got ${got}`);
}

const TIED = [["tied.1.weight", "tied.0.weight"]] as const;

describe.each([
  ["zip.bin", "twin.safetensors", TIED],
  ["legacy.bin", "twin.safetensors", TIED],
  ["nested.bin", "twin.safetensors", TIED],
  ["new-dtypes.bin", "new-dtypes.safetensors", []],
  ["new-dtypes-legacy.bin", "new-dtypes.safetensors", []],
  ["training.bin", "training.safetensors", []],
  ["training-legacy.bin", "training.safetensors", []],
])("%s", (name, twinName, tied) => {
  const source = sourceOf(readTorchFixture(name));
  const twin = readSafetensorsOrThrow(readTorchFixture(twinName)).tensors;

  test("has the tensors of its twin, bit for bit", () => {
    const found = readTorchFile(source);
    if (isLeft(found)) throw new Error(JSON.stringify(found.left));
    const tensors = found.right.map((tensor) => {
      const { dtype, shape } = tensor;
      return [tensor.name, { dtype, shape, bytes: torchTensorBytes(source, tensor) }] as const;
    });
    expect(new Set(tensors.map(([one]) => one))).toEqual(new Set(twin.keys()));
    for (const [one, { dtype, shape, bytes }] of tensors) {
      const expected = twin.get(one);
      expect([one, dtype, shape]).toEqual([one, expected?.dtype, expected?.shape]);
      expect(Buffer.from(bytes)).toEqual(Buffer.from(expected?.bytes ?? []));
    }
    expect([...tiedTensors(found.right)]).toEqual(tied);
  });

  test("cut or altered anywhere it is refused or read, and never leaves its bytes", () => {
    const bytes = readTorchFixture(name);
    fc.assert(
      fc.property(
        fc.nat(bytes.length - 1),
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.boolean(),
        (length, changes, cut) => {
          const altered = bytes.slice(0, cut ? length : bytes.length);
          for (const [at, byte] of changes) if (at < altered.length) altered[at] = byte;
          const own = sourceOf(altered);
          const found = readTorchFile(own);
          if (isLeft(found)) expect(found.left.length).toBeGreaterThan(0);
          else
            for (const tensor of found.right)
              expect(torchTensorBytes(own, tensor).length).toBeLessThanOrEqual(altered.length);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

/** A file of the older format with a state dict of one's own. */
function legacy(state: string | Uint8Array): Uint8Array {
  const head = readTorchFixture("legacy.bin").subarray(0, 15);
  const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value, "latin1"));
  const system = text("\x80\x02}X\x0d\x00\x00\x00little_endian\x88s.");
  const parts = [head, text("\x80\x02M\xe9\x03."), system];
  const body = typeof state === "string" ? text(state) : state;
  return Uint8Array.from(Buffer.concat([...parts, body, text("\x80\x02].")]));
}

describe("pickles that are no state dicts", () => {
  test("an empty one is read", () => {
    expect(problemsOf(legacy("\x80\x02}."))).toEqual([]);
  });

  test.each([
    [
      "a command",
      "\x80\x02cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.",
      /posix\.system, which is not/,
    ],
    ["code", "\x80\x02c__builtin__\neval\n.", /__builtin__\.eval/],
    ["a name made on the stack", "\x80\x04\x8c\x02os\x8c\x06system\x93.", /os\.system/],
    ["an instance", "\x80\x02(cos\nsystem\no.", /os\.system/],
    ["an old instance", "(i__main__\nThing\n.", /operation 0x69/],
    ["a class by number", "\x80\x02\x82\x01.", /operation 0x82/],
    ["a new object", "\x80\x02}}\x81.", /operation 0x81/],
    ["an integer without end", "\x80\x02\x8a\xff.", /an integer of 64 bits/],
    ["text beyond the end", "\x80\x02X\xff\xff\xff\x7fa.", /4294967295|2147483647 more bytes/],
    ["nothing on the stack", "\x80\x02.", /a value on the stack, got none/],
    ["no mark", "\x80\x02t.", /a mark on the stack/],
    ["a number never remembered", "\x80\x02h\x07.", /remembered as 7/],
    ["a list as state dict", "\x80\x02].", /a dictionary of tensors/],
    ["numbers in it", "\x80\x02}X\x01\x00\x00\x00aK\x01s.", /a: expected a tensor, got/],
    ["a later protocol", "\x80\x06}.", /protocol of at most 5/],
    ["nothing at all", "", /the end/],
  ])("%s", (_, state, message) => {
    const problems = problemsOf(legacy(state));
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join("\n")).toMatch(message);
  });

  test("a tensor larger than its storage is refused, whatever its shape", () => {
    const tensor = (shape: string, strides: string): string =>
      "\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage" +
      `ctorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00${shape}${strides}` +
      "\x89}tRs.";
    const keys = "\x80\x02]X\x01\x00\x00\x000a.";
    const file = (state: string): Uint8Array => {
      const base = legacy(state);
      const body = Buffer.from(base.subarray(0, base.length - 4));
      const storage = Buffer.alloc(24);
      storage.writeBigUInt64LE(4n);
      return Uint8Array.from(Buffer.concat([body, Buffer.from(keys, "latin1"), storage]));
    };
    expect(problemsOf(file(tensor("K\x04\x85", "K\x01\x85")))).toEqual([]);
    expect(problemsOf(file(tensor("K\x05\x85", "K\x01\x85"))).join()).toMatch(/a storage of 4 el/);
    expect(problemsOf(file(tensor("J\xff\xff\xff\x7f\x85", "K\x00\x85"))).join()).toMatch(
      /a tensor \[2147483647\] of a storage of 4 elements/,
    );
    expect(problemsOf(file(tensor("K\x02\x85", "K\x04\x85"))).join()).toMatch(/a storage of 4 el/);
  });

  test("a parameter of parameters and many copies of a dictionary are refused", () => {
    const parameters = `${"ctorch._utils\n_rebuild_parameter\nq\x00"}${"h\x00".repeat(100_000)}`;
    const nested = `\x80\x02}X\x01\x00\x00\x00a${parameters}N${"\x85R".repeat(100_001)}s.`;
    expect(problemsOf(legacy(nested)).join()).toMatch(/a: expected a tensor, got/);
    const pairs = `(${"K\x01K\x02\x86".repeat(1000)}l`.replace("(", "](").replace(/l$/, "e");
    const copies = "h\x01h\x00\x85R0".repeat(1000);
    const dictionaries = `\x80\x02${pairs}q\x000ccollections\nOrderedDict\nq\x010${copies}}.`;
    expect(problemsOf(legacy(dictionaries)).join()).toMatch(/every list of pairs once, got copies/);
  });

  test("deeply nested and self-referring pickles end", () => {
    expect(problemsOf(legacy(`\x80\x02${"]".repeat(100_000)}${"a".repeat(99_999)}.`))).not.toEqual(
      [],
    );
    expect(problemsOf(legacy("\x80\x02]q\x00h\x00a."))).not.toEqual([]);
    expect(problemsOf(legacy(`\x80\x02${"(".repeat(200_000)}.`))).not.toEqual([]);
  });
});

describe("zip archives", () => {
  test("compressed and encrypted files are refused by name", () => {
    const bytes = readTorchFixture("zip.bin");
    const central = Buffer.from(bytes).lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2]));
    const changed = (at: number, value: number): Uint8Array => {
      const copy = bytes.slice();
      copy[central + at] = value;
      return copy;
    };
    expect(problemsOf(changed(10, 8)).join()).toMatch(
      /stored as it is, got one compressed by method 8/,
    );
    expect(problemsOf(changed(8, 1)).join()).toMatch(/a plain file, got an encrypted one/);
    expect(problemsOf(bytes.subarray(0, -1)).join()).toMatch(/a directory at its end/);
  });
});
