/** Reads a row file and tokenizes its rows as they come, so that the texts of a large file are never all in memory. */
import { toError } from "../core/either.ts";
import {
  createRowReader,
  type RowFile,
  type RowReader,
  type RowReaderOptions,
} from "../io/rows/row-reader.ts";
import { encode, type Tokenizer } from "../io/tokenizer.ts";
import { createTokenPacker, type PackedTokens } from "../train/packed-rows.ts";
import { gunzip, isGzip } from "./gzip.ts";
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

/** Reads a row file through a reader: in pieces if the storage can, otherwise from memory, decompressed if it is gzip data. */
export async function readRows(
  storage: RunStorage,
  path: string,
  reader: RowReader,
  onRows: OnRows,
): Promise<void> {
  if (storage.readRows !== undefined) return storage.readRows(path, reader, onRows);
  const bytes = await storage.read(path);
  for await (const chunk of isGzip(bytes) ? gunzipped(bytes, reader) : [bytes]) {
    await onRows(reader.push(chunk));
    if (reader.isRefused()) break;
  }
  await onRows(reader.end());
}

/** Decompresses gzip data. Broken data refuse the file. */
async function* gunzipped(bytes: Uint8Array, reader: RowReader): AsyncGenerator<Uint8Array, void> {
  try {
    yield* gunzip(bytes);
  } catch (error) {
    reader.refuseGzip(toError(error).message.replace(/^Failed to execute .*?: /, ""));
  }
}
