import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatProblem, isRight } from "../../src/core/either.ts";
import { looksLike } from "../../src/io/content.ts";
import { parseJsonObject } from "../../src/io/json.ts";
import { readSafetensors, tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { safetensorsHeaderEnd } from "../../src/io/safetensors-header.ts";
import { readTorchFile } from "../../src/io/torch-checkpoint.ts";
import { readTorchFixture } from "./torch-fixtures.ts";

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, "hex"));
const LFS =
  "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";
const bias = tensorFromFloat32("F32", [2], Float32Array.of(1, 2));

/** The first bytes of files, and what they are. */
const CONTENTS: readonly (readonly [string, Uint8Array])[] = [
  ["an empty file", new Uint8Array(0)],
  ["a Git LFS pointer", text(LFS)],
  ["an HTML page", text("\ufeff\n<!DOCTYPE html>\n<html><body>Not found</body></html>")],
  ["an HTML page", text("<html lang='en'>")],
  ["XML", text('<?xml version="1.0"?><Error/>')],
  ["JSON", text('\n{"error": "Repository not found"}')],
  ["plain text", text("[PAD]\n[UNK]\n[CLS]\n")],
  ["plain text", text("Entry not found – ".repeat(60))],
  ["text in UTF-16", hex("fffe7b00")],
  ["an ONNX model", Uint8Array.of(8, 7, 0x12, 7, ...text("pytorch"), 0x1a, 5, ...text("2.3.1"))],
  ["a GGUF model", Uint8Array.of(...text("GGUF"), 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)],
  ["a zip archive", Uint8Array.of(0x50, 0x4b, 5, 6, ...new Uint8Array(18))],
  ["gzip data", hex("1f8b0800000000000003")],
  ["a Python pickle", hex("80049500000000000000008c05")],
  ["a Python pickle", hex("7d710058010000006171014b01732e")],
  ["a Python pickle", text("(dp0\nVa\np1\nI1\ns.")],
  ["a Python pickle", text("ccollections\nOrderedDict\np0\n(tRp1\n.")],
  ["plain text", text("(dog\ncat\n")],
  ["plain text", text("cat\ndog\ncow\npig\n")],
  ["an HDF5 file", hex("894844460d0a1a0a00000000")],
  ["a NumPy array", hex("934e554d505901007600")],
];

test.each(CONTENTS)("%s is recognised", (expected, bytes) => {
  expect(looksLike(bytes)?.startsWith(expected)).toBe(true);
});

test("other bytes and files of the expected kind are not named", () => {
  expect(looksLike(hex("0001020304050607"))).toBeUndefined();
  expect(looksLike(hex("fffffffffffffffff0"))).toBeUndefined();
  expect(looksLike(text("[\n  [1, 2]]"))).toBe("JSON");
  expect(looksLike(text("{}"), "JSON")).toBeUndefined();
  expect(looksLike(text("{}"), "plain text")).toBe("JSON");
});

test("every safetensors file is recognised, whatever its header's length", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 3000 }), (value) => {
      const bytes = writeSafetensors(new Map([["bias", bias]]), { value });
      expect(looksLike(bytes)).toBe("a safetensors file");
    }),
  );
});

const messages = (result: ReturnType<typeof readSafetensors>): string =>
  isRight(result) ? "" : result.left.map(formatProblem).join("\n");

describe.each(CONTENTS)("%s under the name of", (expected, bytes) => {
  test("weights is named", () => {
    const source = "my/model.safetensors";
    const message = `${source}: expected a safetensors file, got ${expected}`;
    expect(messages(readSafetensors(bytes, { source }))).toContain(message);
  });

  test("a state dict is named", () => {
    const read = (begin: number, end: number) => bytes.slice(begin, end);
    const found = readTorchFile({ name: "my/model.bin", size: bytes.length, read });
    if (isRight(found)) throw new Error("expected it to be refused");
    const [problem] = found.left.map(formatProblem);
    const isZip = expected === "a zip archive";
    expect(problem).toContain(
      isZip ? "my/model.bin" : "my/model.bin: expected a file that torch.save",
    );
    if (!isZip) expect(problem).toContain(`got ${expected}`);
  });

  test("a configuration is named unless it is text", () => {
    const parsed = parseJsonObject("my/config.json", bytes);
    const problem = isRight(parsed) ? "" : parsed.left.map(formatProblem).join();
    if (expected === "JSON") expect(problem).toBe("");
    else if (expected === "plain text")
      expect(problem).toMatch(/my\/config\.json: expected JSON, got Unexp/);
    else expect(problem).toContain(`my/config.json: expected JSON, got ${expected}`);
  });
});

test("eight bytes are enough for a pointer and a page", () => {
  for (const [content, got] of [
    [LFS, "Git LFS"],
    ["<!DOCTYPE html>", "HTML"],
  ] as const) {
    const found = safetensorsHeaderEnd(text(content).subarray(0, 8), 1000, "a");
    expect(JSON.stringify(found)).toContain(got);
  }
});

test("an archive of other files is no state dict, even if they are compressed", () => {
  const bytes = readTorchFixture("zip.bin");
  const latin = Buffer.from(bytes).toString("latin1").replaceAll("data.pkl", "data.txt");
  const other = Uint8Array.from(Buffer.from(latin, "latin1"));
  const central = Buffer.from(other).lastIndexOf(Buffer.from([0x50, 0x4b, 1, 2]));
  for (const method of [0, 8]) {
    other[central + 10] = method;
    const read = (begin: number, end: number) => other.slice(begin, end);
    const found = readTorchFile({ name: "a.bin", size: other.length, read });
    const expected =
      "a.bin: expected a file that torch.save wrote, got a zip archive without a data.pkl";
    expect(isRight(found) ? [] : found.left.map(formatProblem)).toEqual([expected]);
  }
});
