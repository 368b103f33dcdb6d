declare module "ndarray-ops" {
  import type { NdArray } from "ndarray";

  type Numbers = NdArray<Float32Array> | NdArray<Float64Array> | NdArray<Uint8Array>;
  /** target = source. */
  export function assign(target: Numbers, source: Numbers): void;
  /** target = value. */
  export function assigns(target: Numbers, value: number): void;
  /** target = |source|. */
  export function abs(target: Numbers, source: Numbers): void;
  /** target = a * b. */
  export function mul(target: Numbers, a: Numbers, b: Numbers): void;
  /** target *= factor. */
  export function muleq(target: Numbers, factor: Numbers): void;
  export function mulseq(target: Numbers, factor: number): void;
  /** target += summand. */
  export function addeq(target: Numbers, summand: Numbers): void;
  export function sum(source: Numbers): number;
  export function sup(source: Numbers): number;
}
