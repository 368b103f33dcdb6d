import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { createRowReader, type TextRow } from "../../src/io/rows/row-reader.ts";
import { decompressed, readRowFile } from "../../src/node/row-files.ts";

const folder = mkdtempSync(join(tmpdir(), "row-files-"));

async function read(name: string, content: Uint8Array) {
  const path = join(folder, name);
  writeFileSync(path, content);
  const reader = createRowReader({ name, options: {}, needsLabels: true });
  const rows: TextRow[] = [];
  await readRowFile(path, reader, (more) => {
    rows.push(...more);
  });
  return { rows, problems: reader.file().problems.first };
}

const lines = Array.from({ length: 50_000 }, (_, i) => `text ${i} é,${i % 3}\n`);
const csv = Buffer.from(`text,label\n${lines.join("")}`);

test("a file is read in chunks, plain or compressed, whatever its name", async () => {
  const plain = await read("a.csv", csv);
  expect(plain.rows.length).toBe(50_000);
  expect(plain.rows.at(-1)).toEqual({ line: 50_001, text: "text 49999 é", textPair: null });
  expect(await read("a.csv.gz", gzipSync(csv))).toEqual(plain);
  expect(await read("b.csv", gzipSync(csv))).toEqual(plain);
});

test("gzip data may have several members", async () => {
  const members = [csv.subarray(0, 1000), csv.subarray(1000)].map((part) => gzipSync(part));
  expect((await read("m.csv.gz", Buffer.concat(members))).rows.length).toBe(50_000);
});

test("broken gzip data are refused", async () => {
  const whole = gzipSync(csv);
  const cut = whole.subarray(0, whole.length - 20);
  const changed = Uint8Array.from(whole);
  changed[changed.length - 6] = (changed[changed.length - 6] ?? 0) ^ 1;
  for (const content of [cut, changed, whole.subarray(0, 3)]) {
    const { problems } = await read("c.csv.gz", content);
    expect(problems.map(({ kind, line }) => [kind, line])).toEqual([["gzip", null]]);
    expect("gzipProblem" in decompressed(content)).toBe(true);
  }
});

test("a refused file is not read to its end, and a missing one is an error", async () => {
  const { problems } = await read("d.csv", Buffer.concat([Buffer.of(0xff), csv]));
  expect(problems[0]?.kind).toBe("encoding");
  const reader = createRowReader({ name: "x.csv", options: {}, needsLabels: true });
  await expect(readRowFile(join(folder, "x.csv"), reader, () => {})).rejects.toThrow("ENOENT");
});

test("empty and very short files", async () => {
  for (const content of ["", "a"])
    expect((await read("e.csv", Buffer.from(content))).rows).toEqual([]);
});

test("a pipe is read", async () => {
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const reader = createRowReader({ name: "f.csv", options: {}, needsLabels: true });
  await Promise.all([readRowFile(pipe, reader, () => {}), writeFile(pipe, csv)]);
  expect(reader.file().rows).toBe(50_000);
});
