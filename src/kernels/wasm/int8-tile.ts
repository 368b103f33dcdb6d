/**
 * Tiles of activations. A tile has the rows of a fixed number of tokens; if there are fewer, the last row is repeated,
 * and so are the results. Tiles of quads are [quad][token][4 inputs], tiles of bytes [input][token].
 */
import {
  type FunctionBuilder,
  type FunctionReference,
  type I32,
  i8x16,
  i32,
  type Local,
  type ModuleBuilder,
  select,
  type V128,
  v128,
} from "./emitter.ts";
import { transpose } from "./lanes.ts";

const PARAMETERS = {
  /** The address of the rows, and the number of bytes in each, a multiple of 16. */
  rows: "i32",
  stride: "i32",
  /** The number of rows, at least one. More than the rows of a tile are ignored. */
  count: "i32",
  tile: "i32",
} as const;

/** A function that writes a tile. */
export type PackTile = FunctionReference<typeof PARAMETERS>;

/** Sets the pointers to `first + i * stride` for i = 0, 1 and so on; after `count` of them, repeats the last one. */
export function setRepeated(
  f: FunctionBuilder,
  pointers: readonly Local<"i32">[],
  first: I32,
  stride: Local<"i32">,
  count: I32,
): void {
  for (const [i, pointer] of pointers.entries()) {
    if (i === 0) f.set(pointer, first);
    else {
      const step = select(stride, i32.const(0), i32.gtS(count, i));
      f.set(pointer, i32.add(pointers[i - 1], step));
    }
  }
}

/** Adds a function that writes a tile of quads of `tokens` tokens. */
export function addPackQuads(module: ModuleBuilder, tokens: number): PackTile {
  return module.internal(PARAMETERS, (f, { rows, stride, count, tile }) => {
    const from = f.locals("i32", tokens);
    setRepeated(f, from, rows, stride, count);
    f.for(0, stride, 16, () => {
      for (let t = 0; t < tokens; t += 4) {
        const four = from.slice(t, t + 4).map((row) => f.let(v128.load(row)));
        for (const [quad, lanes] of transpose(f, four).entries())
          f.store(tile, lanes, 4 * (quad * tokens + t));
      }
      for (const row of from) f.increment(row, 16);
      f.increment(tile, 16 * tokens);
    });
  });
}

/** The number of rows whose bytes are transposed together. */
const TOGETHER = 8;

/** Adds a function that writes a tile of bytes of `tokens` tokens. */
export function addPackBytes(module: ModuleBuilder, tokens: number): PackTile {
  return module.internal(PARAMETERS, (f, { rows, stride, count, tile }) => {
    const from = f.locals("i32", tokens);
    setRepeated(f, from, rows, stride, count);
    f.for(0, stride, 16, () => {
      for (let t = 0; t < tokens; t += TOGETHER) {
        const eight = from.slice(t, t + TOGETHER).map((row) => f.let(v128.load(row)));
        for (const [i, two] of transposeBytes(f, eight).entries()) {
          if (tokens === TOGETHER) f.store(tile, two, 16 * i);
          else
            for (const half of [0, 1]) f.store64Lane(tile, two, half, (2 * i + half) * tokens + t);
        }
      }
      for (const row of from) f.increment(row, 16);
      f.increment(tile, 16 * tokens);
    });
  });
}

/** Transposes 8 rows of 16 bytes: returns vectors of two columns each. */
function transposeBytes(
  f: FunctionBuilder,
  rows: readonly Local<"v128">[],
): readonly Local<"v128">[] {
  // Each strip has the bytes of some rows, column by column. Rows 0 and 4 are interleaved first, then 2 and 6 with them.
  let strips: readonly (readonly Local<"v128">[])[] = rows.map((row) => [row]);
  while (strips.length > 1) {
    const half = strips.length / 2;
    const [first, second] = [strips.slice(0, half), strips.slice(half)];
    strips = first.map((strip, s) => strip.flatMap((part, i) => interleave(f, part, second[s][i])));
  }
  return strips[0];
}

/** Interleaves the bytes of two vectors, low halves first. */
export function interleave(
  f: FunctionBuilder,
  a: V128,
  b: V128,
): readonly [Local<"v128">, Local<"v128">] {
  return [f.let(i8x16.interleaveLow(a, b)), f.let(i8x16.interleaveHigh(a, b))];
}
