/** Transposition of 4 x 4 floats. */
import { type FunctionBuilder, i32x4, type Local, type V128 } from "./emitter.ts";

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
