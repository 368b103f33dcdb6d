import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { createRowReader } from "../../src/io/rows/row-reader.ts";
import { createTokenizer, decode, encode } from "../../src/io/tokenizer.ts";
import { readRows, readTokenFile } from "../../src/run/row-file.ts";
import { VOCABULARY } from "../cli/fixtures.ts";
import { memoryStorage } from "./memory-storage.ts";

const tokenizer = createTokenizer(VOCABULARY);
const ROWS = 'text,more,label\nthe tree,"a, wall",1\n"old vine\nfruit",slowly,0\n';
const SETTINGS = { options: {}, needsLabels: true };

test("rows become token ids, truncated, with the labels of the file beside them", async () => {
  const storage = memoryStorage();
  await storage.write("rows.csv", ROWS);
  const { file, tokens } = await readTokenFile(storage, "rows.csv", SETTINGS, {
    tokenizer,
    maxLength: 6,
  });
  const pairs = [
    encode(tokenizer, "the tree", "a, wall", 6),
    encode(tokenizer, "old vine\nfruit", "slowly", 6),
  ];
  expect([...tokens.inputIds]).toEqual(pairs.flatMap(({ inputIds }) => [...inputIds]));
  expect([...tokens.tokenTypeIds]).toEqual(pairs.flatMap(({ tokenTypeIds }) => [...tokenTypeIds]));
  expect([...tokens.ends]).toEqual([6, 12]);
  expect(decode(tokenizer, tokens.inputIds.subarray(6))).toBe("old vine slowly");
  expect(file.labels.rows).toBe(2);
  expect(file.columns).toEqual({ text: "text", textPair: "more", label: "label" });
});

test("a storage that can reads in pieces", async () => {
  const storage = memoryStorage();
  const pieces = {
    ...storage,
    readRows: async (
      _: string,
      reader: Parameters<NonNullable<typeof storage.readRows>>[1],
      onRows: Parameters<NonNullable<typeof storage.readRows>>[2],
    ) => {
      for (const byte of new TextEncoder().encode(ROWS))
        await onRows(reader.push(Uint8Array.of(byte)));
      await onRows(reader.end());
    },
  };
  const { tokens } = await readTokenFile(pieces, "any.csv", SETTINGS, { tokenizer, maxLength: 32 });
  expect(tokens.length).toBe(2);
});

test("a storage that cannot decompresses gzip data, and refuses broken ones", async () => {
  const storage = memoryStorage();
  const settings = { tokenizer, maxLength: 32 };
  await storage.write("rows.csv", ROWS);
  const plain = await readTokenFile(storage, "rows.csv", SETTINGS, settings);
  const whole = gzipSync(ROWS);
  await storage.write("rows.csv.gz", whole);
  const { file, tokens } = await readTokenFile(storage, "rows.csv.gz", SETTINGS, settings);
  expect({ ...file, name: "rows.csv" }).toEqual(plain.file);
  expect(tokens).toEqual(plain.tokens);
  for (const bytes of [whole.subarray(0, -1), Uint8Array.of(0x1f, 0x8b, 8, 0)]) {
    await storage.write("rows.csv.gz", bytes);
    const { file: refused } = await readTokenFile(storage, "rows.csv.gz", SETTINGS, settings);
    expect(refused.problems.first).toMatchObject([{ kind: "gzip", file: "rows.csv.gz" }]);
  }
});

test("an error of the receiver of rows is not one of the data", async () => {
  const storage = memoryStorage();
  await storage.write("rows.csv.gz", gzipSync(ROWS));
  const reader = createRowReader({ ...SETTINGS, name: "rows.csv.gz" });
  const reading = readRows(storage, "rows.csv.gz", reader, () => {
    throw new Error("stopped");
  });
  await expect(reading).rejects.toThrow("stopped");
  expect(reader.isRefused()).toBe(false);
});
