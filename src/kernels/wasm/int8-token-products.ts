/** Products of 8-bit weights with a single token: one function for each form of a weight. */
import { BLOCK_OUTPUTS } from "../block-sparse.ts";
import { INT8_FLOATS, INT8_QUADS, QUAD } from "../int8.ts";
import { type FunctionReference, i32, i32x4, type ModuleBuilder, v128 } from "./emitter.ts";
import { addDots, FOUR_DISTANCE, quadBytes, quadsOf } from "./int8-dot.ts";
import { nextFour, writeToken } from "./int8-outputs.ts";

const PARAMETERS = {
  /** The bytes of the token, and the number of inputs. */
  bytes: "i32",
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
  /** The addresses of the token's scale and zero point. */
  scales: "i32",
  zeros: "i32",
} as const;

/** A function that computes the outputs of one token. */
export type TokenProduct = FunctionReference<typeof PARAMETERS>;

const FOURS_PARAMETERS = {
  /** The quads of a token, and how many there are. */
  quads: "i32",
  count: "i32",
  /** The weights [four outputs][quad]. */
  values: "i32",
  // The pointers of OutputPointers.
  negatedSums: "i32",
  weightScales: "i32",
  bias: "i32",
  biasStep: "i32",
  y: "i32",
  scales: "i32",
  zeros: "i32",
  /** The number of outputs that are left, and the number at which to stop. */
  left: "i32",
  rest: "i32",
} as const;

type TokenFours = FunctionReference<typeof FOURS_PARAMETERS>;

/** Adds a function that multiplies the quads of a token by the weights of some outputs. */
export function addTokenFours(module: ModuleBuilder): TokenFours {
  return module.internal(FOURS_PARAMETERS, (f, p) => {
    const { values } = p;
    const zero = f.let(v128.load32Splat(p.zeros));
    const scale = f.let(v128.load32Splat(p.scales));
    const sum = f.local("v128");
    const [x, end] = f.locals("i32", 2);
    f.while(i32.gtS(p.left, p.rest), () => {
      f.set(sum, i32x4.mul(zero, v128.load(p.negatedSums)));
      f.set(x, p.quads);
      f.set(end, i32.add(x, i32.shl(p.count, 2)));
      f.while(i32.ltU(x, end), () => {
        const quads = quadsOf(f, v128.load32Splat(x));
        addDots(f, [[sum, quads]], (offset) => v128.load(values, offset), FOUR_DISTANCE);
        f.increment(x, QUAD);
        f.increment(values, BLOCK_OUTPUTS * quadBytes(f.variant));
      });
      writeToken(f, sum, scale, p, p.left);
      nextFour(f, p, p.left);
    });
  });
}

export function addDenseToken(module: ModuleBuilder, multiply: TokenFours): TokenProduct {
  return module.internal(PARAMETERS, (f, p) => {
    const count = i32.shl(i32.shrU(i32.add(p.inputs, 15), 4), 2);
    f.run(multiply, { ...p, quads: p.bytes, count, left: p.outputs, rest: 0 });
  });
}

/**
 * Adds a function that, for each block row, gathers the quads of the token and multiplies them. `tokens` is the factor
 * of the offsets in `columns`.
 */
export function addBlocksToken(
  module: ModuleBuilder,
  tokens: number,
  multiply: TokenFours,
): TokenProduct {
  return module.internal(PARAMETERS, (f, p) => {
    const buffer = f.let(i32.add(f.workspace, INT8_QUADS));
    const left = f.let(p.outputs);
    const [column, x, values] = f.locals("i32", 3);
    f.while(i32.gtS(left, 0), () => {
      const first = f.let(i32.load(p.starts));
      const count = f.let(i32.sub(i32.load(p.starts, 4), first));
      f.set(column, i32.add(p.columns, i32.shl(first, 4)));
      f.set(x, buffer);
      f.for(0, count, 1, () => {
        for (let k = 0; k < QUAD; k++) {
          const input = i32.shrU(i32.load(column, 4 * k), Math.log2(tokens));
          f.store8(i32.add(x, k), i32.load8U(i32.add(p.bytes, input)));
        }
        f.increment(x, QUAD);
        f.increment(column, 4 * QUAD);
      });
      f.set(values, i32.mul(i32.mul(first, p.height), quadBytes(f.variant)));
      f.increment(values, p.values);
      const rest = f.let(i32.sub(left, i32.minS(left, p.height)));
      f.run(multiply, { ...p, quads: buffer, count, values, left, rest });
      f.while(i32.gtS(left, rest), () => nextFour(f, p, left));
      f.increment(p.starts, 4);
    });
  });
}

/** Adds a function that computes the sums of outputs one by one, and writes four outputs at a time. */
export function addRowsToken(module: ModuleBuilder, tokens: number): TokenProduct {
  return module.internal(PARAMETERS, (f, p) => {
    const zero = f.let(v128.load32Splat(p.zeros));
    const scale = f.let(v128.load32Splat(p.scales));
    const left = f.let(p.outputs);
    const room = f.let(i32.add(f.workspace, INT8_FLOATS));
    const [column, value, end] = f.locals("i32", 3);
    const sum = f.local("v128");
    const bytes = quadBytes(f.variant);
    f.while(i32.gtS(left, 0), () => {
      f.for(0, i32.minS(left, BLOCK_OUTPUTS), 1, (o) => {
        const first = f.let(i32.load(p.starts));
        f.set(column, i32.add(p.columns, i32.shl(first, 2)));
        f.set(value, i32.add(p.values, i32.mul(first, bytes)));
        f.set(end, i32.add(p.columns, i32.shl(i32.load(p.starts, 4), 2)));
        f.set(sum, v128.zero);
        f.while(i32.ltU(column, end), () => {
          const input = i32.shrU(i32.load(column), Math.log2(tokens));
          const quads = quadsOf(f, v128.load32Zero(i32.add(p.bytes, input)));
          addDots(f, [[sum, quads]], (offset) => v128.load32Zero(value, offset), bytes / 2);
          f.increment(column, 4);
          f.increment(value, bytes);
        });
        f.store32Lane(i32.add(room, i32.shl(o, 2)), sum, 0);
        f.increment(p.starts, 4);
      });
      f.set(sum, i32x4.add(v128.load(room), i32x4.mul(zero, v128.load(p.negatedSums))));
      writeToken(f, sum, scale, p, left);
      nextFour(f, p, left);
    });
  });
}
