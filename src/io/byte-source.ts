/** Random access to bytes. */
export interface ByteSource {
  /** The name used in problems. */
  readonly name: string;
  readonly size: number;
  /**
   * The bytes from `begin` to `end`, exclusive. Callers stay within `size`. The bytes may be read to the begin of
   * `memory`, if it is large enough.
   */
  readonly read: (begin: number, end: number, memory?: Uint8Array) => Uint8Array;
}
