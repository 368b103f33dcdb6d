/** Opens row files and decompresses gzip data, which are recognised by their first two bytes. */
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip, gunzipSync } from "node:zlib";
import { toError } from "../core/either.ts";
import type { ReadRow, RowReader } from "../io/rows/row-reader.ts";
import { isGzip } from "../run/gzip.ts";

const CHUNK_BYTES = 2 ** 16;

/** Returns the bytes, decompressed if they are gzip data, or why this fails. */
export function decompressed(
  bytes: Uint8Array,
): { readonly bytes: Uint8Array } | { readonly gzipProblem: string } {
  if (!isGzip(bytes)) return { bytes };
  try {
    return { bytes: gunzipSync(bytes) };
  } catch (error) {
    return { gzipProblem: toError(error).message };
  }
}

/**
 * Reads a file through a reader, and passes on its rows as they are complete. Ends the reader.
 *
 * @throws the file system's error if the file cannot be read
 */
export async function readRowFile(
  path: string,
  reader: RowReader,
  onRows: (rows: readonly ReadRow[]) => void | Promise<void>,
): Promise<void> {
  const handle = await open(path);
  try {
    const chunks = chunksOf(handle);
    const first = await chunks.next();
    if (first.done !== true) {
      const all = startingWith(first.value, chunks);
      for await (const chunk of isGzip(first.value) ? gunzipped(all, reader) : all) {
        await onRows(reader.push(chunk));
        if (reader.isRefused()) break;
      }
    }
  } finally {
    await handle.close();
  }
  await onRows(reader.end());
}

/** Reads a file or a pipe to its end. Each chunk is read into the same memory. All but the last have two bytes or more. */
async function* chunksOf(handle: FileHandle): AsyncGenerator<Uint8Array, void> {
  const memory = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    let length = 0;
    do {
      const { bytesRead } = await handle.read(memory, length, memory.length - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    } while (length < 2);
    if (length === 0) return;
    yield memory.subarray(0, length);
  }
}

async function* startingWith(
  first: Uint8Array,
  others: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  yield first;
  yield* others;
}

/** Decompresses chunks. Broken data refuse the file; an error of the file system is thrown. */
async function* gunzipped(
  chunks: AsyncIterable<Uint8Array>,
  reader: RowReader,
): AsyncGenerator<Uint8Array, void> {
  let readError: unknown;
  const copies = async function* () {
    try {
      // Compression reads a chunk later, when its memory may hold the next one.
      for await (const chunk of chunks) yield chunk.slice();
    } catch (error) {
      readError = error;
      throw error;
    }
  };
  const source = Readable.from(copies(), { objectMode: false });
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  source.on("error", (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    for await (const chunk of gunzip) yield chunk as Uint8Array;
  } catch (error) {
    if (readError !== undefined) throw readError;
    reader.refuseGzip(toError(error).message);
  } finally {
    source.destroy();
  }
}
