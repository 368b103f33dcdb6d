/** Reads a row file and tokenizes its rows as they come, so that the texts of a large file are never all in memory. */
import {
  createRowReader,
  type RowFile,
  type RowReader,
  type RowReaderOptions,
} from "../io/rows/row-reader.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import { createTokenPacker, type PackedTokens } from "../train/packed-rows.ts";
import type { OnRows, RunStorage } from "./storage.ts";

/** A row file after its end. Row `i` of `tokens` has the labels of row `i` of `file`. */
export interface TokenFile {
  readonly file: RowFile;
  readonly tokens: PackedTokens;
}

/** How rows become tokens. */
export interface RowTokenizer {
  readonly tokenizer: Tokenizer;
  /** The maximum number of tokens of a row, to which it is truncated. */
  readonly maxLength: number;
}

/** Reads and tokenizes the file at `path`. Problems of its rows are in the result. */
export async function readTokenFile(
  storage: RunStorage,
  path: string,
  options: Omit<RowReaderOptions, "name">,
  { tokenizer, maxLength }: RowTokenizer,
): Promise<TokenFile> {
  const reader = createRowReader({ ...options, name: path });
  const packer = createTokenPacker();
  await readRows(storage, path, reader, (rows) => {
    for (const { text, textPair } of rows) {
      const { inputIds, tokenTypeIds } = encode(tokenizer, text, textPair ?? undefined, maxLength);
      packer.add(inputIds, tokenTypeIds);
    }
  });
  return { file: reader.file(), tokens: packer.end() };
}

/** Reads a row file through a reader, in pieces if the storage can. */
export async function readRows(
  storage: RunStorage,
  path: string,
  reader: RowReader,
  onRows: OnRows,
): Promise<void> {
  if (storage.readRows !== undefined) return storage.readRows(path, reader, onRows);
  const bytes = await storage.read(path);
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) reader.refuseGzip("a storage that cannot decompress");
  else await onRows(reader.push(bytes));
  await onRows(reader.end());
}
