/** Products of 8-bit weights with a tile of tokens: one function for each form of a weight. */
import { BLOCK_OUTPUTS } from "../block-sparse.ts";
import { INT8_FLOATS, INT8_QUADS, QUAD } from "../int8.ts";
import { joinsVectors } from "./block-rows.ts";
import {
  type FunctionBuilder,
  type FunctionReference,
  i8x16,
  i16x8,
  i32,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import { addDots, type addMultiplyFours, multiplyQuad, quadBytes, quadsOf } from "./int8-dot.ts";
import { nextFour, startSums, tileTokens, type WriteRest, writeSums } from "./int8-outputs.ts";
import { interleave } from "./int8-tile.ts";

const PARAMETERS = {
  /** The tile of tokens, and the number of inputs. */
  tile: "i32",
  inputs: "i32",
  /** The number of outputs, and of outputs in a block row. */
  outputs: "i32",
  height: "i32",
  starts: "i32",
  columns: "i32",
  values: "i32",
  // The pointers of OutputPointers.
  negatedSums: "i32",
  weightScales: "i32",
  bias: "i32",
  biasStep: "i32",
  y: "i32",
} as const;

/** A function that computes the outputs of all tokens of a tile. */
export type TileProduct = FunctionReference<typeof PARAMETERS>;
type Pointers = { readonly [Name in keyof typeof PARAMETERS]: Local<"i32"> };

export function addDenseProduct(
  module: ModuleBuilder,
  multiply: ReturnType<typeof addMultiplyFours>,
): TileProduct {
  return module.internal(PARAMETERS, (f, p) => {
    const count = i32.shl(i32.shrU(i32.add(p.inputs, 15), 4), 2);
    f.run(multiply, { ...p, quads: p.tile, count, left: p.outputs, rest: 0 });
  });
}

/** Adds a function for rows. It keeps the sums of four outputs in working space until it writes them. */
export function addRowsProduct(
  module: ModuleBuilder,
  tokens: number,
  writeRest: WriteRest,
): TileProduct {
  return module.internal(PARAMETERS, (f, p) => {
    const tile = tileTokens(f, tokens);
    const left = f.let(p.outputs);
    const room = f.let(i32.add(f.workspace, INT8_FLOATS));
    const sums = Array.from({ length: BLOCK_OUTPUTS }, () => f.locals("v128", tokens / 4));
    f.while(i32.gtS(left, 0), () => {
      startSums(f, sums, tile, p.negatedSums);
      for (const [i, sum] of sums.flat().entries()) f.store(room, sum, 16 * i);
      f.for(0, i32.minS(left, BLOCK_OUTPUTS), 1, (o) => {
        const to = f.let(i32.add(room, i32.mul(o, 4 * tokens)));
        addRow(f, p, to, tokens);
        f.increment(p.starts, 4);
      });
      for (const [i, sum] of sums.flat().entries()) f.set(sum, v128.load(room, 16 * i));
      writeSums(f, sums, tile, p, left, writeRest);
      nextFour(f, p, left);
    });
  });
}

/** Adds the products of one output to its sums in memory. */
function addRow(f: FunctionBuilder, p: Pointers, to: Local<"i32">, tokens: number): void {
  const sums = Array.from({ length: tokens / 4 }, (_, v) => f.let(v128.load(to, 16 * v)));
  const bytes = quadBytes(f.variant);
  const first = f.let(i32.load(p.starts));
  const column = f.let(i32.add(p.columns, i32.shl(first, 2)));
  const value = f.let(i32.add(p.values, i32.mul(first, bytes)));
  const end = f.let(i32.add(p.columns, i32.shl(i32.load(p.starts, 4), 2)));
  f.while(i32.ltU(column, end), () => {
    const x = f.let(i32.add(p.tile, i32.load(column)));
    const terms = sums.map((sum, v) => [sum, quadsOf(f, v128.load(x, 16 * v))] as const);
    addDots(f, terms, (offset) => v128.load32Splat(value, offset), bytes / 2);
    f.increment(column, 4);
    f.increment(value, bytes);
  });
  for (const [v, sum] of sums.entries()) f.store(to, sum, 16 * v);
}

/**
 * Adds a function for blocks. It interleaves the bytes of four inputs to quads: in registers for blocks of four
 * outputs, else in working space, from which several groups of outputs read them. So does a variant whose vectors the
 * engine joins, because it joins no vectors that come from a shuffle.
 */
export function addBlocksProduct(
  module: ModuleBuilder,
  tokens: number,
  multiply: ReturnType<typeof addMultiplyFours>,
  writeRest: WriteRest,
): TileProduct {
  return module.internal(PARAMETERS, (f, p) => {
    const left = f.let(p.outputs);
    const [column, count, values] = f.locals("i32", 3);
    const row = { column, count, values, left };
    const buffer = f.let(i32.add(f.workspace, INT8_QUADS));
    const gathered = (): void => {
      const to = f.let(buffer);
      f.for(0, count, 1, () => {
        for (const [v, quads] of loadQuads(f, p.tile, column, tokens).entries())
          f.store(to, quads, 16 * v);
        f.increment(column, 4 * QUAD);
        f.increment(to, 4 * tokens);
      });
      const rest = f.let(i32.sub(left, i32.minS(left, p.height)));
      f.run(multiply, { ...p, quads: buffer, count, values, left, rest });
      f.while(i32.gtS(left, rest), () => nextFour(f, p, left));
    };
    f.while(i32.gtS(left, 0), () => {
      const first = f.let(i32.load(p.starts));
      f.set(count, i32.sub(i32.load(p.starts, 4), first));
      f.set(column, i32.add(p.columns, i32.shl(first, 4)));
      f.set(values, i32.mul(i32.mul(first, p.height), quadBytes(f.variant)));
      f.increment(values, p.values);
      f.increment(p.starts, 4);
      if (joinsVectors(module)) gathered();
      else {
        const isFour = i32.eq(p.height, BLOCK_OUTPUTS);
        f.if(isFour, () => multiplyRow(f, p, row, tokens, writeRest), gathered);
      }
    });
  });
}

/** Computes the outputs of a block row of four outputs. */
function multiplyRow(
  f: FunctionBuilder,
  p: Pointers,
  row: Readonly<Record<"column" | "count" | "values" | "left", Local<"i32">>>,
  tokens: number,
  writeRest: WriteRest,
): void {
  const { column, count, values, left } = row;
  const tile = tileTokens(f, tokens);
  const sums = Array.from({ length: BLOCK_OUTPUTS }, () => f.locals("v128", tokens / 4));
  startSums(f, sums, tile, p.negatedSums);
  const end = f.let(i32.add(column, i32.shl(count, 4)));
  f.while(i32.ltU(column, end), () => {
    const quads = loadQuads(f, p.tile, column, tokens);
    multiplyQuad(f, sums, (v) => quads[v], values);
    f.increment(column, 4 * QUAD);
    f.increment(values, BLOCK_OUTPUTS * quadBytes(f.variant));
  });
  writeSums(f, sums, tile, p, left, writeRest);
  nextFour(f, p, left);
}

/** Loads the bytes of four inputs and interleaves them to quads: returns vectors of four tokens each. */
function loadQuads(
  f: FunctionBuilder,
  tile: Local<"i32">,
  column: Local<"i32">,
  tokens: number,
): readonly Local<"v128">[] {
  const isWide = tokens > 8;
  const inputs = Array.from({ length: QUAD }, (_, k) => {
    const at = i32.add(tile, i32.load(column, 4 * k));
    return f.let(isWide ? v128.load(at) : v128.load64Zero(at));
  });
  const [ab, cd] = [0, 2].map((k) =>
    isWide
      ? interleave(f, inputs[k], inputs[k + 1])
      : [f.let(i8x16.interleaveLow(inputs[k], inputs[k + 1]))],
  );
  return ab.flatMap((pairs, half) => [
    f.let(i16x8.interleaveLow(pairs, cd[half])),
    f.let(i16x8.interleaveHigh(pairs, cd[half])),
  ]);
}
