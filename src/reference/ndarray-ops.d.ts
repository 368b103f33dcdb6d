declare module "ndarray-ops" {
  import type { NdArray } from "ndarray";

  /** Copies the entries of `source` to `target`. */
  export function assign<Data extends Float32Array | Uint8Array>(
    target: NdArray<Data>,
    source: NdArray<Data>,
  ): void;
  export function sum(source: NdArray<Float32Array> | NdArray<Uint8Array>): number;
}
