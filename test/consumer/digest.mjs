// A short fingerprint of numbers, equal where every byte is: 64-bit FNV-1a.
const PRIME = 0x100000001b3n;
const OFFSET = 0xcbf29ce484222325n;

/** Digests typed arrays, one after the other, as 16 hexadecimal digits. */
export function digest(...arrays) {
  let hash = OFFSET;
  for (const array of arrays) {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * PRIME);
  }
  return hash.toString(16).padStart(16, "0");
}
