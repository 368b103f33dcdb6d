/** Writes PNG images (ISO/IEC 15948) with one bit per pixel. Masks are small, so they are not compressed. */

import { crc32 } from "../core/crc32.ts";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Maximum length of a stored (uncompressed) block in bytes (RFC 1951, 3.2.4). */
const LONGEST_BLOCK = 0xffff;

/** Computes the Adler-32 checksum of a zlib stream (RFC 1950). */
function adler32(bytes: Uint8Array): number {
  let low = 1;
  let high = 0;
  for (const byte of bytes) {
    low = (low + byte) % 65521;
    high = (high + low) % 65521;
  }
  return ((high << 16) | low) >>> 0;
}

function uint32(value: number): readonly number[] {
  return [(value >>> 24) & 0xff, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

function concatenate(parts: readonly ArrayLike<number>[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

function chunk(type: string, data: ArrayLike<number>): Uint8Array {
  const name = Array.from(type, (character) => character.charCodeAt(0));
  const body = concatenate([name, data]);
  return concatenate([uint32(data.length), body, uint32(crc32(body))]);
}

/** Encodes data as a zlib stream (RFC 1950) of stored (uncompressed) blocks. */
export function storeAsZlib(data: Uint8Array): Uint8Array {
  const blocks: ArrayLike<number>[] = [[0x78, 0x01]];
  for (let offset = 0; offset === 0 || offset < data.length; offset += LONGEST_BLOCK) {
    const block = data.subarray(offset, offset + LONGEST_BLOCK);
    const last = offset + LONGEST_BLOCK >= data.length ? 1 : 0;
    const length = [block.length & 0xff, block.length >>> 8];
    blocks.push([last, ...length, ...length.map((byte) => byte ^ 0xff)], block);
  }
  return concatenate([...blocks, uint32(adler32(data))]);
}

/** A colour as red, green, blue and opacity values from 0 to 255. */
export type Color = readonly [red: number, green: number, blue: number, opacity: number];

/** A picture in two colours. `pixels` are row-major indices of `colors`, 0 or 1. */
interface TwoColorPicture {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
  readonly colors: readonly [Color, Color];
}

/**
 * Returns a picture's scan lines, with one bit per pixel and the leftmost pixel in the most significant bit. Each line
 * starts with the filter type byte 0 (no filter).
 */
function scanLines(picture: TwoColorPicture): Uint8Array {
  const stride = 1 + Math.ceil(picture.width / 8);
  const lines = new Uint8Array(stride * picture.height);
  for (let row = 0; row < picture.height; row++) {
    for (let column = 0; column < picture.width; column++) {
      if ((picture.pixels[row * picture.width + column] ?? 0) === 0) continue;
      const at = row * stride + 1 + (column >> 3);
      lines[at] = (lines[at] ?? 0) | (0x80 >> (column & 7));
    }
  }
  return lines;
}

/** Encodes a picture as a PNG file with a palette of two colours. */
export function writePng(picture: TwoColorPicture): Uint8Array {
  const header = [...uint32(picture.width), ...uint32(picture.height), 1, 3, 0, 0, 0];
  const palette = picture.colors.flatMap((color) => color.slice(0, 3));
  const opacity = picture.colors.map((color) => color[3]);
  return concatenate([
    SIGNATURE,
    chunk("IHDR", header),
    chunk("PLTE", palette),
    chunk("tRNS", opacity),
    chunk("IDAT", storeAsZlib(scanLines(picture))),
    chunk("IEND", []),
  ]);
}
