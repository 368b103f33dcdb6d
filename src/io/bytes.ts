/**
 * Bytes from callers can be a Buffer, a view of shared memory, or an array of another realm. Readers check them here
 * and use plain arrays, because a Buffer's `slice` is a view and not a copy.
 */
import { checkKind, isTypedArray } from "../core/checks.ts";

/** The same memory as a Uint8Array of this realm. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  checkKind(isTypedArray(bytes, "Uint8Array"), "bytes", "a Uint8Array", bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes in memory that is not shared: a copy if necessary. TextDecoder refuses shared memory in browsers. */
export function unsharedBytes(bytes: Uint8Array): Uint8Array {
  const isShared = Object.prototype.toString.call(bytes.buffer) === "[object SharedArrayBuffer]";
  return isShared ? new Uint8Array(bytes) : bytes;
}
