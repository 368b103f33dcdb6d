/** Decompresses gzip data in memory by `DecompressionStream`, which Node, workers and pages have. */

const CHUNK_BYTES = 2 ** 16;

/** Whether bytes begin as gzip data do. */
export function isGzip([a, b]: Uint8Array): boolean {
  return a === 0x1f && b === 0x8b;
}

/** Decompresses gzip data, which may have several members. @throws the engine's error if they are broken */
export async function* gunzip(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  // Pages refuse data after the first member, so each member has a stream of its own.
  for (let start = 0; start < bytes.length; ) {
    const end = await memberEnd(bytes, start);
    yield* memberOf(bytes.subarray(start, end));
    start = end;
  }
}

/** The number of bytes of the shortest header. */
const HEADER_BYTES = 10;

/** Whether a member may begin at `i`: with the marks of gzip and of deflate, and no reserved flag. */
function mayBegin(bytes: Uint8Array, i: number): boolean {
  return isGzip(bytes.subarray(i, i + 2)) && bytes[i + 2] === 8 && (bytes[i + 3] ?? 0xff) < 0x20;
}

/** Returns the end of the member that begins at `start`. Only its checksum tells it from compressed data. */
async function memberEnd(bytes: Uint8Array, start: number): Promise<number> {
  for (
    let end = bytes.indexOf(0x1f, start + HEADER_BYTES);
    end >= 0;
    end = bytes.indexOf(0x1f, end + 1)
  )
    if (mayBegin(bytes, end) && (await isWhole(bytes.subarray(start, end)))) return end;
  return bytes.length;
}

async function isWhole(member: Uint8Array): Promise<boolean> {
  try {
    for await (const _ of memberOf(member));
    return true;
  } catch {
    return false;
  }
}

async function* memberOf(member: Uint8Array): AsyncGenerator<Uint8Array, void> {
  const { readable, writable } = new DecompressionStream("gzip");
  // If the data are broken, the reader rejects as well.
  writeAll(member, writable).catch(() => {});
  const reader: ReadableStreamDefaultReader<Uint8Array> = readable.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function writeAll(bytes: Uint8Array, stream: WritableStream<BufferSource>): Promise<void> {
  const writer = stream.getWriter();
  // Copies, since streams accept no shared memory.
  for (let i = 0; i < bytes.length; i += CHUNK_BYTES)
    await writer.write(bytes.slice(i, i + CHUNK_BYTES));
  await writer.close();
}
