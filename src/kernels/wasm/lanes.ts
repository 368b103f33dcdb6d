/** Arithmetic on several vectors side by side, and over the lanes of vectors. */
import { type F32, type FunctionBuilder, f32x4, i32x4, type Local, type V128 } from "./emitter.ts";

/** Vectors with the same computation, whose instructions interleave and share constants. */
export type Vectors = readonly Local<"v128">[];

/** Computes a vector from each vector and its index. */
export function each(
  f: FunctionBuilder,
  vectors: Vectors,
  compute: (vector: Local<"v128">, index: number) => V128,
): Vectors {
  return vectors.map((vector, index) => f.let(compute(vector, index)));
}

/** c[0] x^n + c[1] x^(n-1) + ... + c[n] by Horner's rule. */
export function polynomial(
  f: FunctionBuilder,
  xs: Vectors,
  [first, ...rest]: readonly [number, ...number[]],
): Vectors {
  const leading = f.let(f.constantF32x4(first));
  let sums: Vectors = xs.map(() => leading);
  for (const coefficient of rest) {
    const constant = f.let(f.constantF32x4(coefficient));
    sums = each(f, xs, (x, index) => f.madd(sums[index], x, constant));
  }
  return sums;
}

function foldLanes(
  f: FunctionBuilder,
  vector: V128,
  combine: (a: V128, b: V128) => V128,
): Local<"v128"> {
  const whole = f.let(vector);
  const pair = f.let(combine(whole, i32x4.shuffle(whole, whole, [2, 3, 0, 1])));
  return f.let(combine(pair, i32x4.shuffle(pair, pair, [1, 0, 3, 2])));
}

export function sumOfLanes(f: FunctionBuilder, vector: V128): F32 {
  return f32x4.extractLane(foldLanes(f, vector, f32x4.add), 0);
}

/** The largest of the four lanes, in every lane. */
export function maxOfLanes(f: FunctionBuilder, vector: V128): V128 {
  return foldLanes(f, vector, f32x4.pmax);
}

/** The transpose of a 4 x 4 block given by its rows. */
export function transpose(f: FunctionBuilder, rows: readonly Local<"v128">[]): readonly V128[] {
  const [a, b, c, d] = rows;
  const abLow = f.let(i32x4.shuffle(a, b, [0, 4, 1, 5]));
  const cdLow = f.let(i32x4.shuffle(c, d, [0, 4, 1, 5]));
  const abHigh = f.let(i32x4.shuffle(a, b, [2, 6, 3, 7]));
  const cdHigh = f.let(i32x4.shuffle(c, d, [2, 6, 3, 7]));
  return [
    i32x4.shuffle(abLow, cdLow, [0, 1, 4, 5]),
    i32x4.shuffle(abLow, cdLow, [2, 3, 6, 7]),
    i32x4.shuffle(abHigh, cdHigh, [0, 1, 4, 5]),
    i32x4.shuffle(abHigh, cdHigh, [2, 3, 6, 7]),
  ];
}
