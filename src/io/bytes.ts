/**
 * Normalises byte arrays from callers, which can be a Node Buffer, a view of shared memory, or an array from another
 * realm. Readers need plain arrays, because a Buffer's `slice` is a view and not a copy.
 */
import { checkKind, isTypedArray } from "../core/checks.ts";

/** Returns a Uint8Array of this realm that shares the memory of `bytes`. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  checkKind(isTypedArray(bytes, "Uint8Array"), "bytes", "a Uint8Array", bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Returns the bytes in memory that is not shared, as a copy if necessary. In browsers, TextDecoder rejects shared
 * memory.
 */
export function unsharedBytes(bytes: Uint8Array): Uint8Array {
  const isShared = bytes.buffer[Symbol.toStringTag] === "SharedArrayBuffer";
  return isShared ? new Uint8Array(bytes) : bytes;
}
