/** Computes the sums of 8-bit products for a tile of tokens: one function for each form of a weight. */
import { BLOCK_OUTPUTS } from "../block-sparse.ts";
import { INT8_QUADS, QUAD } from "../int8.ts";
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
import { addDots, addMultiplyFours, multiplyQuad, quadBytes, quadsOf } from "./int8-dot.ts";
import { interleave } from "./int8-tile.ts";

const PARAMETERS = {
  /** The tile of tokens, and the number of inputs. */
  tile: "i32",
  inputs: "i32",
  /** The first output, a multiple of 16, and the number of outputs, at most 16. */
  first: "i32",
  outputs: "i32",
  height: "i32",
  starts: "i32",
  columns: "i32",
  values: "i32",
  /** The sums to write: [output][token]. */
  sums: "i32",
} as const;

/** A function that computes the sums of some outputs for all tokens of a tile. */
export type SumRows = FunctionReference<typeof PARAMETERS>;

export function addDenseSums(module: ModuleBuilder, tokens: number): SumRows {
  const multiply = addMultiplyFours(module, tokens);
  return module.internal(PARAMETERS, (f, p) => {
    const count = f.let(i32.shl(i32.shrU(i32.add(p.inputs, 15), 4), 2));
    f.increment(p.values, i32.mul(i32.mul(p.first, count), quadBytes(f.variant)));
    const fours = i32.shrU(i32.add(p.outputs, 3), 2);
    f.run(multiply, { quads: p.tile, count, values: p.values, fours, sums: p.sums });
  });
}

export function addRowSums(module: ModuleBuilder, tokens: number): SumRows {
  return module.internal(PARAMETERS, (f, p) => {
    const sums = f.locals("v128", tokens / 4);
    const [x, column, value, end] = f.locals("i32", 4);
    const bytes = quadBytes(f.variant);
    f.increment(p.starts, i32.shl(p.first, 2));
    f.for(0, p.outputs, 1, () => {
      const first = f.let(i32.load(p.starts));
      f.set(column, i32.add(p.columns, i32.shl(first, 2)));
      f.set(value, i32.add(p.values, i32.mul(first, bytes)));
      f.set(end, i32.add(p.columns, i32.shl(i32.load(p.starts, 4), 2)));
      for (const sum of sums) f.set(sum, v128.zero);
      f.while(i32.ltU(column, end), () => {
        f.set(x, i32.add(p.tile, i32.load(column)));
        const terms = sums.map((sum, v) => [sum, quadsOf(f, v128.load(x, 16 * v))] as const);
        addDots(f, terms, (offset) => v128.load32Splat(value, offset), bytes / 2);
        f.increment(column, 4);
        f.increment(value, bytes);
      });
      for (const [v, sum] of sums.entries()) f.store(p.sums, sum, 16 * v);
      f.increment(p.sums, 4 * tokens);
      f.increment(p.starts, 4);
    });
  });
}

/**
 * Adds a function for blocks. It interleaves the bytes of four inputs to quads: in registers for blocks of four
 * outputs, else in working space, from which several groups of outputs read them. So does a variant whose vectors the
 * engine joins, because it joins no vectors that come from a shuffle.
 */
export function addBlockSums(module: ModuleBuilder, tokens: number): SumRows {
  const multiply = addMultiplyFours(module, tokens);
  return module.internal(PARAMETERS, (f, p) => {
    const { height, sums } = p;
    const [row, values] = f.locals("i32", 2);
    const buffer = f.let(i32.add(f.workspace, INT8_QUADS));
    f.increment(p.starts, i32.shl(i32.divU(p.first, height), 2));
    f.set(row, 0);
    f.while(i32.ltS(row, p.outputs), () => {
      const first = f.let(i32.load(p.starts));
      const count = f.let(i32.sub(i32.load(p.starts, 4), first));
      const column = f.let(i32.add(p.columns, i32.shl(first, 4)));
      f.set(values, i32.mul(i32.mul(first, height), quadBytes(f.variant)));
      f.increment(values, p.values);
      const gathered = (): void => {
        const to = f.let(buffer);
        f.for(0, count, 1, () => {
          for (const [v, quads] of loadQuads(f, p.tile, column, tokens).entries())
            f.store(to, quads, 16 * v);
          f.increment(column, 4 * QUAD);
          f.increment(to, 4 * tokens);
        });
        const fours = i32.shrU(height, 2);
        f.run(multiply, { quads: buffer, count, values, fours, sums });
      };
      if (joinsVectors(module)) gathered();
      else
        f.if(
          i32.eq(height, BLOCK_OUTPUTS),
          () => sumFour(f, { tile: p.tile, column, values, count, sums }, tokens),
          gathered,
        );
      f.increment(sums, i32.mul(height, 4 * tokens));
      f.increment(row, height);
      f.increment(p.starts, 4);
    });
  });
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

/** Computes the sums of a block row of four outputs. */
function sumFour(
  f: FunctionBuilder,
  p: Readonly<Record<"tile" | "column" | "values" | "count" | "sums", Local<"i32">>>,
  tokens: number,
): void {
  const sums = Array.from({ length: BLOCK_OUTPUTS }, () => f.locals("v128", tokens / 4));
  for (const sum of sums.flat()) f.set(sum, v128.zero);
  const end = f.let(i32.add(p.column, i32.shl(p.count, 4)));
  f.while(i32.ltU(p.column, end), () => {
    const quads = loadQuads(f, p.tile, p.column, tokens);
    multiplyQuad(f, sums, (v) => quads[v], p.values);
    f.increment(p.column, 4 * QUAD);
    f.increment(p.values, BLOCK_OUTPUTS * quadBytes(f.variant));
  });
  for (const [i, sum] of sums.flat().entries()) f.store(p.sums, sum, 16 * i);
}
