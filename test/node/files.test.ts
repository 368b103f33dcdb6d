import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { kindOfPath, readInto, writeAll, writeFileAtomically } from "../../src/node/files.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "espalier-files-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a written file is complete and leaves nothing beside it", () => {
  const path = join(folder, "a.bin");
  writeFileAtomically(path, "old");
  writeFileAtomically(path, Uint8Array.of(1, 2, 3));
  expect([...readFileSync(path)]).toEqual([1, 2, 3]);
  expect(readdirSync(folder)).toEqual(["a.bin"]);
});

test("a write that fails leaves the old file and no temporary one", () => {
  writeFileSync(join(folder, "keep"), "old");
  expect(() => writeFileAtomically(join(folder, "missing", "a"), "x")).toThrow("ENOENT");
  // The target is a directory: the temporary file is written, the rename fails.
  expect(() => writeFileAtomically(folder, "x")).toThrow();
  expect(readdirSync(folder)).toEqual(["keep"]);
  expect(readdirSync(tmpdir()).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("bytes are read and written whole, in as many calls as it takes", () => {
  const path = join(folder, "parts");
  const bytes = Uint8Array.from({ length: 23 }, (_, i) => i);
  const file = openSync(path, "w+");
  writeAll(file, bytes.subarray(0, 10), null, 3);
  writeAll(file, bytes.subarray(10), null, 5);
  writeAll(file, Uint8Array.of(100, 101, 102), 4, 2);
  const expected = Uint8Array.from(bytes);
  expected.set([100, 101, 102], 4);
  expect(new Uint8Array(readFileSync(path))).toEqual(expected);
  const back = new Uint8Array(20);
  expect(readInto(file, back, 3, 7)).toBe(20);
  expect(back).toEqual(expected.subarray(3));
  expect(readInto(file, back, 20, 7)).toBe(3);
  closeSync(file);
});

test("a path is a file, a directory or nothing", async () => {
  writeFileSync(join(folder, "file"), "");
  expect(await kindOfPath(folder)).toBe("directory");
  expect(await kindOfPath(join(folder, "file"))).toBe("file");
  expect(await kindOfPath(join(folder, "none"))).toBe("nothing");
});
