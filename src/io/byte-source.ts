/** Random access to a sequence of bytes, such as a file. */
export interface ByteSource {
  /** The name of the source in error messages, such as the path of a file. */
  readonly name: string;
  readonly size: number;
  /**
   * Returns the bytes from `begin` to `end`, exclusive. The range must lie within `size`. If `memory` is large enough,
   * the bytes may be read into its beginning.
   */
  readonly read: (begin: number, end: number, memory?: Uint8Array) => Uint8Array;
}
