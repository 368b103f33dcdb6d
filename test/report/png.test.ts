import { inflateSync, crc32 as zlibCrc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32 } from "../../src/core/crc32.ts";
import { maskPicture, toBase64 } from "../../src/report/page.ts";
import { storeAsZlib, writePng } from "../../src/report/png.ts";

/** The chunks of a PNG file, each with its checksum verified. */
function readChunks(bytes: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks = new Map<string, Uint8Array>();
  for (let at = 8; at < bytes.length; ) {
    const length = view.getUint32(at);
    const body = bytes.subarray(at + 4, at + 8 + length);
    expect(view.getUint32(at + 8 + length)).toBe(zlibCrc32(body));
    chunks.set(String.fromCharCode(...body.subarray(0, 4)), body.subarray(4));
    at += 12 + length;
  }
  return chunks;
}

test("every pixel comes back, whatever the size", () => {
  const size = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(
      size,
      size,
      fc.infiniteStream(fc.integer({ min: 0, max: 1 })),
      (width, height, bits) => {
        const pixels = Uint8Array.from({ length: width * height }, () => bits.next().value ?? 0);
        const colors = [
          [0, 0, 0, 0],
          [1, 2, 3, 255],
        ] as const;
        const chunks = readChunks(writePng({ width, height, pixels, colors }));
        expect([...(chunks.get("PLTE") ?? [])]).toEqual([0, 0, 0, 1, 2, 3]);
        expect([...(chunks.get("tRNS") ?? [])]).toEqual([0, 255]);
        const lines = inflateSync(chunks.get("IDAT") ?? new Uint8Array());
        const stride = 1 + Math.ceil(width / 8);
        expect(lines.length).toBe(stride * height);
        const read = pixels.map((_, index) => {
          const column = index % width;
          const byte = lines[Math.floor(index / width) * stride + 1 + (column >> 3)] ?? 0;
          return (byte >> (7 - (column & 7))) & 1;
        });
        expect(read).toEqual(pixels);
      },
    ),
  );
});

test("stored blocks join to what was stored, across the longest block and empty", () => {
  for (const length of [0, 1, 0xfffe, 0xffff, 0x10000, 3 * 0xffff + 7]) {
    const data = Uint8Array.from({ length }, (_, index) => (index * 31) & 0xff);
    expect(new Uint8Array(inflateSync(storeAsZlib(data)))).toEqual(data);
  }
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});

test("base64 of many bytes", () => {
  const bytes = Uint8Array.from({ length: 100_003 }, (_, index) => (index * 7) & 0xff);
  expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
});

test("a mask picture keeps every weight a pixel and refuses a mask of another size", () => {
  const mask = new Uint8Array(6).fill(1);
  const picture = maskPicture({ layer: "a<b", rows: 2, columns: 3, mask });
  expect(picture).toContain('width="510" height="340"');
  expect(picture).toContain("a&lt;b");
  expect(() => maskPicture({ layer: "a", rows: 2, columns: 4, mask })).toThrow(
    "mask of a: expected 2 x 4 entries, got 6",
  );
});
