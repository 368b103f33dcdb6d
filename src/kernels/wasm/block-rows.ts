/** Loops over the kept blocks of a weight, block row by block row. */
import { BLOCK_OUTPUTS, type BlockHeight } from "../block-sparse.ts";
import {
  type FunctionBuilder,
  type I32,
  i32,
  type Label,
  type Local,
  v128,
  type WasmVariant,
} from "./emitter.ts";
import { barrier } from "./gemm-tile.ts";

/**
 * For each variant, the number of blocks in an unrolled iteration, and the number of outputs between two
 * {@link barrier}s, or null for loops without barriers and early exits.
 */
const LOOPS: Readonly<
  Record<WasmVariant, { readonly unroll: number; readonly outputsPerBarrier: number | null }>
> = {
  simd: { unroll: 4, outputsPerBarrier: 2 },
  fma: { unroll: 4, outputsPerBarrier: 2 },
  revectorized: { unroll: 2, outputsPerBarrier: null },
};

/**
 * Whether the engine joins pairs of vectors to vectors of twice the width in this variant. It can do so only for
 * adjacent loads and stores, in loops without early exits.
 */
export function joinsVectors({ variant }: { readonly variant: WasmVariant }): boolean {
  return LOOPS[variant].outputsPerBarrier === null;
}

/**
 * The addresses of the arrays of a weight's kept blocks. `starts` points to the entry of the first block row to visit.
 */
interface BlockAddresses {
  readonly starts: Local<"i32">;
  readonly columns: I32;
  readonly values: I32;
  /** The number of outputs in a block. Default 4. */
  readonly height?: number;
}

/** The position of a loop within a block row; `remaining` is the number of blocks left. */
interface BlockRow {
  readonly remaining: Local<"i32">;
  /** The addresses of the next block's column index and values. */
  readonly column: Local<"i32">;
  readonly value: Local<"i32">;
  /** The size of a block's values in bytes. */
  readonly valueBytes: number;
}

function declareRow(f: FunctionBuilder, valueBytes: number): BlockRow {
  const [remaining, column, value] = f.locals("i32", 3);
  return { remaining, column, value, valueBytes };
}

/** A block in an unrolled iteration of a loop. */
export interface BlockPlace {
  readonly column: Local<"i32">;
  readonly value: Local<"i32">;
  /** The index of the block in the iteration. Its column index is stored at `column + 4 * step`. */
  readonly step: number;
  /** The values of the block are stored at `value + offset`. */
  readonly offset: number;
  /** The end of the loop, as the target of a {@link barrier}. */
  readonly done: Label;
  readonly remaining: Local<"i32">;
}

/** Runs the body for each of `rows` block rows and advances `starts`. */
export function forEachBlockRow(
  f: FunctionBuilder,
  { starts, columns, values, height = BLOCK_OUTPUTS }: BlockAddresses,
  rows: I32,
  body: (row: BlockRow) => void,
): void {
  const valueBytes = 4 * height;
  const row = declareRow(f, valueBytes);
  f.for(0, rows, 1, () => {
    f.set(row.column, i32.load(starts));
    f.set(row.remaining, i32.sub(i32.load(starts, 4), row.column));
    f.set(row.value, i32.add(values, i32.mul(row.column, valueBytes)));
    f.set(row.column, i32.add(columns, i32.shl(row.column, 2)));
    body(row);
    f.increment(starts, 4);
  });
}

interface BlockLoop {
  readonly unroll: number;
  /**
   * Whether an unrolled iteration may exit after any block. If not, remaining blocks run in a second loop. Default
   * true.
   */
  readonly exits?: boolean;
  /** Other pointers that advance together with the pointer to the values. */
  readonly along?: readonly Local<"i32">[];
}

export function forEachBlock(
  f: FunctionBuilder,
  { remaining, column, value, valueBytes }: BlockRow,
  { unroll, exits = true, along = [] }: BlockLoop,
  body: (place: BlockPlace) => void,
): void {
  const advance = (blocks: number): void => {
    f.increment(column, 4 * blocks);
    for (const pointer of [value, ...along]) f.increment(pointer, valueBytes * blocks);
    f.increment(remaining, -blocks);
  };
  f.block((done) => {
    for (const blocks of exits || unroll === 1 ? [unroll] : [unroll, 1])
      f.while(i32.geS(remaining, exits ? 1 : blocks), () => {
        for (let step = 0; step < blocks; step++) {
          body({ column, value, step, offset: valueBytes * step, done, remaining });
          if (exits && step < blocks - 1) f.exitIf(done, i32.ltS(remaining, step + 2));
        }
        advance(blocks);
      });
  });
}

/** A sum, and a factor whose product with a block's weight is added to the sum. */
export type Term = readonly [sum: Local<"v128">, factor: Local<"v128">];

interface BlockProducts {
  /** The terms for each output of a block. All terms of an output use the same weight. */
  readonly terms: readonly (readonly Term[])[];
  /** Emits code before each block; `after` emits code after it. */
  readonly before: (place: BlockPlace) => void;
  readonly after?: (place: BlockPlace) => void;
}

/**
 * Multiplies every block in a row and adds the products to sums in registers: `sum += weight * factor`, output by
 * output.
 */
export function multiplyBlocks(
  f: FunctionBuilder,
  row: BlockRow,
  { terms, before, after }: BlockProducts,
): void {
  const { unroll, outputsPerBarrier } = LOOPS[f.variant];
  const outputs = terms.length;
  // Each output has its own pointer. With offsets instead, the engine would compute an address for every splat.
  const weights = terms.map((_, r) => f.let(i32.add(row.value, 4 * r)));
  const weight = f.local("v128");
  forEachBlock(f, row, { unroll, exits: !joinsVectors(f), along: weights }, (place) => {
    before(place);
    for (const [r, ofOutput] of terms.entries()) {
      f.set(weight, v128.load32Splat(weights[r], place.offset));
      for (const [sum, factor] of ofOutput) f.set(sum, f.madd(weight, factor, sum));
      const next = r + 1;
      if (outputsPerBarrier !== null && next < outputs && next % outputsPerBarrier === 0)
        barrier(f, place.done, place.remaining, outputs * place.step + next);
    }
    after?.(place);
  });
}

/** Runs `body` for each group of four outputs in a block row, or once if a block has at most four outputs. */
export function forEachFour(
  f: FunctionBuilder,
  row: BlockRow,
  height: BlockHeight,
  body: (part: BlockRow) => void,
): void {
  if (height <= BLOCK_OUTPUTS) {
    body(row);
    return;
  }
  const part = declareRow(f, row.valueBytes);
  f.for(0, height / BLOCK_OUTPUTS, 1, () => {
    for (const name of ["remaining", "column", "value"] as const) f.set(part[name], row[name]);
    body(part);
    f.increment(row.value, 4 * BLOCK_OUTPUTS);
  });
}

/** Returns the address of the row for a block's input in a tile [inputs][tokens]. */
export function tileAddress(tile: I32, { column, step }: BlockPlace, tokens: number): I32 {
  const shift = Math.log2(4 * tokens);
  return i32.add(tile, i32.shl(i32.load(column, 4 * step), shift));
}

/** Replaces a tile address of 0 with the address of the instance's working space. */
export function defaultToWorkspace(f: FunctionBuilder, tile: Local<"i32">): void {
  f.if(i32.eq(tile, 0), () => f.set(tile, f.workspace));
}
