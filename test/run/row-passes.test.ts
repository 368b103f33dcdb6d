import { expect, test } from "vitest";
import type { ReadRow } from "../../src/io/rows/row-reader.ts";
import { readAgain, readFirst } from "../../src/run/row-passes.ts";
import { memoryStorage } from "./memory-storage.ts";

const SETTINGS = { name: "rows.csv", options: {}, needsLabels: true };
const turn = async (): Promise<void> => {};

async function storageOf(text: string) {
  const storage = memoryStorage();
  await storage.write("rows.csv", text);
  return storage;
}

test("the first reading gives labels, and the second one the kept rows", async () => {
  const storage = await storageOf("text,more,label\na,1,x\nb,2,y\nc,3,x\nd,4,y\n");
  let turns = 0;
  const { file, sample, hasPairs } = await readFirst(storage, SETTINGS, async () => void turns++);
  expect(file.rows).toBe(4);
  expect(file.labels.spellings).toEqual(["x", "y"]);
  expect(sample.map(({ text }) => text)).toEqual(["a", "b", "c", "d"]);
  expect(hasPairs).toBe(true);
  expect(turns).toBeGreaterThan(0);
  const rows: ReadRow[] = [];
  await readAgain(storage, SETTINGS, Uint32Array.of(1, 3))(async (more) => void rows.push(...more));
  expect(rows).toEqual([
    { line: 3, text: "b", textPair: "2" },
    { line: 5, text: "d", textPair: "4" },
  ]);
});

test("a file that changed between the readings is refused", async () => {
  const storage = await storageOf("text,label\na,x\nb,y\n");
  await readFirst(storage, SETTINGS, turn);
  const again = () => readAgain(storage, SETTINGS, Uint32Array.of(0, 1))(async () => {});
  await again();
  await storage.write("rows.csv", "text,label\na,x\n");
  await expect(again()).rejects.toThrow(
    "rows.csv: expected the 2 rows that were there before, got 1",
  );
  await storage.write("rows.csv", "text,label\na,x\nb\n");
  await expect(again()).rejects.toThrow("rows.csv:3: expected 2 fields, got 1");
});
