/** Checkpoints that are refused when they are opened. */

import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { isLeft } from "../../src/core/either.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import { openCheckpoint } from "../../src/node/checkpoint-reader.ts";
import { temporaryDirectory } from "../cli/fixtures.ts";

const root = temporaryDirectory();
const one = tensorFromFloat32("F32", [1], new Float32Array(1));

/** How many problems there are with a checkpoint. */
async function countProblems(path: string): Promise<number> {
  const opened = await openCheckpoint(path);
  if (isLeft(opened)) return opened.left.length;
  opened.right.close();
  return 0;
}

/** A file of safetensors as its header's text and its tensors' bytes. */
function withHeader(text: string, bytes: number): Uint8Array {
  const json = new TextEncoder().encode(text);
  const file = new Uint8Array(8 + json.length + bytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

// More than one call takes as arguments.
describe("every one of 200000 problems is told", () => {
  const names = Array.from({ length: 200_000 }, (_, i) => `tensor.${i}`);
  const index = (file: string, listed: readonly string[] = names): string =>
    JSON.stringify({ weight_map: Object.fromEntries(listed.map((name) => [name, file])) });

  test("of an index of safetensors", async () => {
    const directory = join(root, "index");
    mkdirSync(directory);
    const all = new Map([["another", one]]);
    writeFileSync(join(directory, "a.safetensors"), writeSafetensors(all));
    writeFileSync(join(directory, "model.safetensors.index.json"), index("a.safetensors"));
    expect(await countProblems(directory)).toBe(names.length + 1);
  });

  test("of a file that an index names", async () => {
    const directory = join(root, "header");
    mkdirSync(directory);
    const wrong = names.map((name) => [name, { dtype: "F3", shape: [], data_offsets: [0, 0] }]);
    const header = JSON.stringify(Object.fromEntries(wrong));
    writeFileSync(join(directory, "a.safetensors"), withHeader(header, 0));
    writeFileSync(join(directory, "model.safetensors.index.json"), index("a.safetensors", ["a"]));
    expect(await countProblems(directory)).toBeGreaterThanOrEqual(names.length);
  });

  test("of an index of state dicts", async () => {
    const directory = join(root, "torch");
    mkdirSync(directory);
    const file = fileURLToPath(new URL("../io/torch/zip.bin", import.meta.url));
    copyFileSync(file, join(directory, "a.bin"));
    writeFileSync(join(directory, "pytorch_model.bin.index.json"), index("a.bin"));
    expect(await countProblems(directory)).toBeGreaterThan(names.length);
  });
});
