import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { nextBelow, openStream } from "../../src/core/random.ts";
import { gunzip } from "../../src/run/gzip.ts";

async function decompressed(bytes: Uint8Array): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of gunzip(bytes)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Bytes that cannot be compressed, so that their gzip data contain them. */
function randomBytes(count: number): Uint8Array {
  const stream = openStream(1, 1);
  return Uint8Array.from({ length: count }, () => nextBelow(stream, 256));
}

test("members are decompressed one after the other", async () => {
  const parts = [randomBytes(70_000), new Uint8Array(0), new Uint8Array(70_000), randomBytes(1)];
  for (let count = 0; count <= parts.length; count++) {
    const members = parts.slice(0, count);
    const bytes = await decompressed(Buffer.concat(members.map((part) => gzipSync(part))));
    expect(bytes.equals(Buffer.concat(members))).toBe(true);
  }
});

test("data that contain the header of a member are not cut at it", async () => {
  const inner = gzipSync(randomBytes(100));
  const parts = [randomBytes(5000), inner, randomBytes(5000)];
  const whole = Buffer.concat(parts);
  const outer = gzipSync(whole, { level: 0 });
  expect(outer.includes(inner)).toBe(true);
  expect((await decompressed(outer)).equals(whole)).toBe(true);
  const two = await decompressed(Buffer.concat([outer, outer]));
  expect(two.equals(Buffer.concat([whole, whole]))).toBe(true);
});

test("broken data are an error", async () => {
  const whole = Uint8Array.from(gzipSync(randomBytes(70_000)));
  const changed = whole.slice();
  changed[whole.length - 6] = (whole[whole.length - 6] ?? 0) ^ 1;
  const two = Buffer.concat([whole, whole.subarray(0, 50)]);
  for (const bytes of [whole.subarray(0, -1), whole.subarray(0, 3), changed, two])
    await expect(decompressed(bytes)).rejects.toThrow();
});
