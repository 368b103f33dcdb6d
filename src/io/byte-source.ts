/** Random access to bytes. */
export interface ByteSource {
  /** Names it in problems. */
  readonly name: string;
  readonly size: number;
  /** The bytes from `begin` up to `end`, which lie within the size. */
  readonly read: (begin: number, end: number) => Uint8Array;
}
