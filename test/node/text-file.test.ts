import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { checkNewFile, createTextFile } from "../../src/node/text-file.ts";

const root = mkdtempSync(join(tmpdir(), "text-file-"));
afterAll(() => rmSync(root, { recursive: true }));

const parts = Array.from({ length: 500 }, (_, i) => `line ${i} é 😀\n`.repeat(40));

test.each(["a.csv", "a.csv.gz", "A.JSONL.GZ"])("%s appears when it is complete", async (name) => {
  const path = join(root, name);
  const before = readdirSync(root);
  const file = createTextFile(path);
  for (const part of parts) await file.write(part);
  expect(readdirSync(root)).not.toContain(name);
  await file.commit();
  file.discard();
  const bytes = readFileSync(path);
  expect((/gz$/i.test(name) ? gunzipSync(bytes) : bytes).toString()).toBe(parts.join(""));
  expect(readdirSync(root)).toEqual([...before, name].sort());
});

test("a discarded file leaves nothing, and does not listen for the end of the process", async () => {
  const before = readdirSync(root);
  const listeners = process.listenerCount("exit");
  for (const name of ["b.csv", "b.csv.gz"]) {
    const file = createTextFile(join(root, name));
    await file.write("text");
    expect(process.listenerCount("exit")).toBe(listeners + 1);
    file.discard();
    file.discard();
  }
  expect(readdirSync(root)).toEqual(before);
  expect(process.listenerCount("exit")).toBe(listeners);
});

test("what was created meanwhile at the path stays, and the temporary file is removed", async () => {
  const before = readdirSync(root);
  const listeners = process.listenerCount("exit");
  const path = join(root, "e.csv");
  const file = createTextFile(path);
  await file.write("text");
  writeFileSync(path, "another");
  await expect(file.commit()).rejects.toThrow(`${path}: expected nothing there`);
  file.discard();
  expect(readFileSync(path, "utf8")).toBe("another");
  expect(readdirSync(root)).toEqual([...before, "e.csv"].sort());
  expect(process.listenerCount("exit")).toBe(listeners);
});

test("a file that cannot get its name leaves nothing", async () => {
  const directory = join(root, "gone");
  mkdirSync(directory);
  const file = createTextFile(join(directory, "a.csv"));
  await file.write("text");
  rmSync(directory, { recursive: true });
  await expect(file.commit()).rejects.toThrow(/ENOENT/);
  file.discard();
  expect(readdirSync(root)).not.toContain("gone");
});

test("a path that exists, and one in no directory, are refused", () => {
  writeFileSync(join(root, "c.csv"), "");
  expect(() => checkNewFile("--out", join(root, "c.csv"))).toThrow(/^--out: .*nothing is yet/);
  expect(() => checkNewFile("--out", join(root, "no", "c.csv"))).toThrow(
    /in a directory that exists/,
  );
  expect(() => createTextFile(join(root, "no", "c.csv"))).toThrow(/ENOENT/);
  checkNewFile("--out", join(root, "d.csv"));
});
