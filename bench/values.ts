/** Many millions of seeded values without ties. */
import { nextNormal, openStream } from "../src/core/random.ts";

const TABLE_LENGTH = 1 << 18;
let table: Float32Array | undefined;

/** A table of normally distributed numbers for all callers, because drawing 85 million takes a minute. */
function normals(): Float32Array {
  if (table === undefined) {
    const stream = openStream(1, 1);
    table = Float32Array.from({ length: TABLE_LENGTH }, () => nextNormal(stream));
  }
  return table;
}

/** Fills `values` with nearly normal numbers: the table repeatedly, at different scales. */
export function fillNormal(values: Float32Array, scale: number, seed: number): void {
  const source = normals();
  for (let start = 0, turn = 0; start < values.length; start += TABLE_LENGTH, turn++) {
    const factor = scale * (1 + ((seed * 769 + turn * 31) % 1013) / 10130);
    const count = Math.min(TABLE_LENGTH, values.length - start);
    for (let i = 0; i < count; i++) values[start + i] = source[i] * factor;
  }
}

/** A pseudo-random number in [0, 1) for an index. */
export function unitAt(place: number): number {
  let bits = Math.imul(place ^ (place >>> 16), 0x45d9f3b);
  bits = Math.imul(bits ^ (bits >>> 16), 0x45d9f3b);
  return ((bits ^ (bits >>> 16)) >>> 0) / 2 ** 32;
}
