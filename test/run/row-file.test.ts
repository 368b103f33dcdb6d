import { expect, test } from "vitest";
import { createTokenizer, decode, encode } from "../../src/io/tokenizer.ts";
import { readTokenFile } from "../../src/run/row-file.ts";
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

test("a storage that can reads in pieces, and one that cannot refuses gzip data", async () => {
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
  await storage.write("rows.csv.gz", Uint8Array.of(0x1f, 0x8b, 8, 0));
  const { file } = await readTokenFile(storage, "rows.csv.gz", SETTINGS, {
    tokenizer,
    maxLength: 32,
  });
  expect(file.problems.first.map(({ kind }) => kind)).toEqual(["gzip"]);
});
