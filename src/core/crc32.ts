/** The checksum CRC-32 of zlib and PNG (reflected polynomial 0xEDB88320). */

/** Entry 256 k + b: the remainder of byte b followed by k zeros. */
const TABLE: Int32Array = /* @__PURE__ */ createTable();

function createTable(): Int32Array {
  const table = new Int32Array(1024);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let k = 0; k < 4; k++) {
      for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (-(value & 1) & 0xedb88320);
      table[256 * k + byte] = value;
    }
  }
  return table;
}

/**
 * Computes the checksum of bytes.
 *
 * @param before - the checksum of the bytes before them, 0 at the start
 * @returns an unsigned integer of 32 bits
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  let value = ~before;
  let i = 0;
  // Four bytes at a time.
  for (const end = bytes.length - 3; i < end; i += 4) {
    value ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    value =
      TABLE[768 + (value & 255)] ^
      TABLE[512 + ((value >>> 8) & 255)] ^
      TABLE[256 + ((value >>> 16) & 255)] ^
      TABLE[value >>> 24];
  }
  for (; i < bytes.length; i++) value = TABLE[(value ^ bytes[i]) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}
