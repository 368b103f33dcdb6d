declare module "ndarray-ops" {
  import type { NdArray } from "ndarray";

  type Numbers = NdArray<Float32Array> | NdArray<Float64Array> | NdArray<Uint8Array>;
  /** target = source. */
  export function assign<Data extends Float32Array | Uint8Array>(
    target: NdArray<Data>,
    source: NdArray<Data>,
  ): void;
  /** target = value. */
  export function assigns(target: Numbers, value: number): void;
  /** target = |source|. */
  export function abs(target: Numbers, source: Numbers): void;
  /** target = a * b. */
  export function mul(target: Numbers, a: Numbers, b: Numbers): void;
  /** target *= factor. */
  export function muleq(target: Numbers, factor: Numbers): void;
  /** target += summand. */
  export function addeq(target: Numbers, summand: Numbers): void;
  export function sum(source: Numbers): number;
  /** Square root of the sum of squares. */
  export function norm2(source: Numbers): number;
}
