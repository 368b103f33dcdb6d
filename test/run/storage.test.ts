import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { nodeStorage } from "../../src/node/storage.ts";
import {
  joinPath,
  kindProblem,
  readDirectory,
  readNamedFile,
  writeDirectory,
} from "../../src/run/storage.ts";
import { memoryStorage } from "./memory-storage.ts";

const root = mkdtempSync(join(tmpdir(), "espalier-storage-"));
afterAll(() => rmSync(root, { recursive: true }));

const STORAGES = [
  { name: "memory", storage: memoryStorage(), folder: "folder" },
  { name: "the file system", storage: nodeStorage, folder: root },
];

describe.each(STORAGES)("a storage in $name", ({ storage, folder }) => {
  test("gives a file as it was last written", async () => {
    const path = joinPath(folder, "new", "file");
    await storage.write(path, "old");
    await storage.write(path, Uint8Array.of(1, 2, 3));
    expect(await storage.read(path)).toEqual(Uint8Array.of(1, 2, 3));
    expect(await storage.list(joinPath(folder, "new"))).toEqual(["file"]);
  });

  test("a directory reads as it was written, without its subdirectories", async () => {
    const files = new Map([
      ["config.json", new TextEncoder().encode("{}")],
      ["empty", new Uint8Array()],
    ]);
    await writeDirectory(storage, joinPath(folder, "deep", "model"), files);
    await writeDirectory(storage, joinPath(folder, "deep", "model", "sub"), files);
    expect(await readDirectory(storage, joinPath(folder, "deep", "model"))).toEqual(files);
    const some = await readDirectory(
      storage,
      joinPath(folder, "deep", "model"),
      (name) => name === "empty",
    );
    expect([...some.keys()]).toEqual(["empty"]);
  });

  test("paths that are not what an option wants are problems", async () => {
    const file = joinPath(folder, "file");
    await storage.write(file, "text");
    expect(await storage.kind(folder)).toBe("directory");
    expect(await kindProblem(storage, "directory", "--data", folder)).toBeUndefined();
    expect(await kindProblem(storage, "file", "--vocab", file)).toBeUndefined();
    expect(await kindProblem(storage, "directory", "--data", file)).toEqual({
      path: "--data",
      expected: "a directory",
      got: `${file} (is a file)`,
    });
    const missing = {
      path: "--vocab",
      expected: "a file",
      got: `${joinPath(folder, "none")} (does not exist)`,
    };
    const none = joinPath(folder, "none");
    expect(await kindProblem(storage, "file", "--vocab", none)).toEqual(missing);
    expect(await readNamedFile(storage, "--vocab", joinPath(folder, "none"))).toMatchObject({
      left: [missing],
    });
    expect(await readNamedFile(storage, "--vocab", file)).toMatchObject({
      right: new TextEncoder().encode("text"),
    });
  });
});

test("paths are joined by one slash, from the root too", () => {
  expect(joinPath("a", "b", "c.txt")).toBe("a/b/c.txt");
  expect(joinPath("a/", "b")).toBe("a/b");
  expect(joinPath("/", "b")).toBe("/b");
  expect(joinPath("", "b")).toBe("b");
});
