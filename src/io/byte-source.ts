/** Random access to bytes. */
export interface ByteSource {
  /** The name used in problems. */
  readonly name: string;
  readonly size: number;
  /** The bytes from `begin` to `end`, exclusive. Callers stay within `size`. */
  readonly read: (begin: number, end: number) => Uint8Array;
}
