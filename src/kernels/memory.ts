/** Where tensors live: one linear memory (WASM's, or plain arrays for the scalar kernels). */

/** A block of float32 or int32 elements that stays valid while the memory grows. */
export interface Region {
  readonly byteOffset: number;
  readonly length: number;
}

/** A linear memory with explicit allocation. Regions are 64-byte aligned. */
export interface Memory {
  /** A zeroed region of `length` 4-byte elements. */
  allocate(length: number): Region;
  /** Gives a region back; using it afterwards is an error of the caller. */
  free(region: Region): void;
  /** The region as floats. The view dies when the memory grows: take it again for each use. */
  float32(region: Region): Float32Array;
  /** The region as 32-bit integers; same caution. */
  int32(region: Region): Int32Array;
  /** Bytes in use and bytes reserved. */
  usage(): { readonly used: number; readonly reserved: number };
}
