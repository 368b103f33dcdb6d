/** Opens row files and decompresses gzip data, which are recognised by their first two bytes. */
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { createGunzip, gunzipSync } from "node:zlib";
import { toError } from "../core/either.ts";
import type { RowReader, TextRow } from "../io/rows/row-reader.ts";

const CHUNK_BYTES = 2 ** 16;

function isGzip([a, b]: Uint8Array): boolean {
  return a === 0x1f && b === 0x8b;
}

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
  onRows: (rows: readonly TextRow[]) => void | Promise<void>,
): Promise<void> {
  const handle = await open(path);
  try {
    const memory = new Uint8Array(CHUNK_BYTES);
    const { bytesRead } = await handle.read(memory, 0, 2, 0);
    const isCompressed = isGzip(memory.subarray(0, bytesRead));
    const chunks = chunksOf(handle, memory);
    for await (const chunk of isCompressed ? gunzipped(chunks, reader) : chunks) {
      await onRows(reader.push(chunk));
      if (reader.isRefused()) break;
    }
  } finally {
    await handle.close();
  }
  await onRows(reader.end());
}

/** Reads a file from its start. Each chunk is read into the same memory. */
async function* chunksOf(handle: FileHandle, memory: Uint8Array): AsyncGenerator<Uint8Array, void> {
  for (let position = 0; ; ) {
    const { bytesRead } = await handle.read(memory, 0, memory.length, position);
    if (bytesRead === 0) return;
    yield memory.subarray(0, bytesRead);
    position += bytesRead;
  }
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
