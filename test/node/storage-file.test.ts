import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { createStorageFile } from "../../src/node/storage-file.ts";

const ours = () => readdirSync(tmpdir()).filter((name) => name.startsWith("espalier-teacher-"));

test("bytes read back as they were written, and no file remains", () => {
  const before = ours();
  const file = createStorageFile();
  file.write(0, Uint8Array.of(1, 2, 3));
  file.write(3, Uint8Array.of(4, 5));
  // Unlinked while it is open: nothing has to clean up after an interrupted run.
  if (process.platform !== "win32") expect(ours()).toEqual(before);
  const bytes = new Uint8Array(4);
  file.read(1, bytes);
  expect([...bytes]).toEqual([2, 3, 4, 5]);
  expect(() => file.read(4, bytes)).toThrow("temporary file: expected 4 bytes, got 1");
  file.close();
  file.close();
  expect(ours()).toEqual(before);
});

test("nothing is opened that is not written to", () => {
  const file = createStorageFile();
  expect(() => file.read(0, new Uint8Array(1))).toThrow("expected 1 bytes, got 0");
  file.close();
});
