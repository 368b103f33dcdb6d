/**
 * y = W x + bias with 8-bit weights and activations, in tiles of tokens; a single remaining token needs no tile. Sums
 * are exact, so they do not depend on the order of the products.
 */
import { BLOCK_OUTPUTS, GATHERED_OUTPUTS } from "../block-sparse.ts";
import { INT8_QUADS, INT8_SUMS, int8Layout, QUAD } from "../int8.ts";
import {
  type FunctionBuilder,
  type FunctionReference,
  i32,
  integers,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import { addDots, FOUR_DISTANCE, quadBytes, quadsOf } from "./int8-dot.ts";
import { addBlockSums, addDenseSums, addRowSums, type SumRows } from "./int8-sums.ts";
import { addPackBytes, addPackQuads, type PackTile } from "./int8-tile.ts";
import { addWriteTile, OUTPUT_ARRAYS, TOKEN_ARRAYS, writeToken } from "./int8-write.ts";

const PARAMETERS = {
  ...integers("bytes", "tokens", "inputs"),
  /** The number of outputs, and the number of outputs in a block row. */
  ...integers("outputs", "height"),
  ...integers("starts", "columns", "values"),
  ...OUTPUT_ARRAYS,
  ...TOKEN_ARRAYS,
  y: "i32",
} as const;

type ForToken = FunctionReference<typeof PARAMETERS>;
type Locals = { readonly [Name in keyof typeof PARAMETERS]: Local<"i32"> };

/** Adds `int8Dense`, `int8Rows` and `int8Blocks`: one function for each form of a weight. */
export function addInt8Forward(module: ModuleBuilder): void {
  const { tokens } = int8Layout(module.variant);
  const write = addWriteTile(module, tokens);
  const [packQuads, packBytes] = [addPackQuads(module, tokens), addPackBytes(module, tokens)];
  const multiply = addTokenFours(module);
  const add = (name: string, pack: PackTile, sumRows: SumRows, forToken: ForToken): void =>
    addProduct(module, name, { tokens, write, pack, sumRows, forToken });
  add("int8Dense", packQuads, addDenseSums(module, tokens), addDenseToken(module, multiply));
  add("int8Rows", packQuads, addRowSums(module, tokens), addRowsToken(module, tokens));
  const blocks = addBlocksToken(module, tokens, multiply);
  add("int8Blocks", packBytes, addBlockSums(module, tokens), blocks);
}

interface ProductParts {
  readonly tokens: number;
  readonly write: ReturnType<typeof addWriteTile>;
  readonly pack: PackTile;
  readonly sumRows: SumRows;
  readonly forToken: ForToken;
}

function addProduct(module: ModuleBuilder, name: string, parts: ProductParts): void {
  const { tokens: together, write, pack, sumRows, forToken } = parts;
  module.func(name, PARAMETERS, (f, p) => {
    const tile = f.let(f.workspace);
    const sums = f.let(i32.add(tile, INT8_SUMS));
    const rowBytes = f.let(i32.and(i32.add(p.inputs, 15), -16));
    const stride = f.let(i32.shl(p.outputs, 2));
    const [outputs, done, biasAt] = f.locals("i32", 3);
    const { inputs, height, starts, columns, values, scales, zeros } = p;
    f.while(i32.gtS(p.tokens, 1), () => {
      const tokens = f.let(i32.minS(p.tokens, together));
      f.run(pack, { rows: p.bytes, stride: rowBytes, count: tokens, tile });
      f.for(0, p.outputs, GATHERED_OUTPUTS, (first) => {
        f.set(outputs, i32.minS(i32.sub(p.outputs, first), GATHERED_OUTPUTS));
        const matrix = { inputs, height, starts, columns, values };
        f.run(sumRows, { ...matrix, tile, first, outputs, sums });
        f.set(done, i32.shl(first, 2));
        f.set(biasAt, 0);
        f.if(p.bias, () => f.set(biasAt, i32.add(p.bias, done)));
        const [weightSums, weightScales, y] = [p.weightSums, p.weightScales, p.y].map((start) =>
          i32.add(start, done),
        );
        const ofOutputs = { weightSums, weightScales, bias: biasAt, sums, outputs };
        f.run(write, { ...ofOutputs, scales, zeros, tokens, y, stride });
      });
      f.increment(p.bytes, i32.mul(rowBytes, tokens));
      f.increment(p.y, i32.mul(stride, tokens));
      for (const pointer of [scales, zeros]) f.increment(pointer, i32.shl(tokens, 2));
      f.set(p.tokens, i32.sub(p.tokens, tokens));
    });
    f.if(p.tokens, () => f.run(forToken, p));
  });
}

const FOURS_PARAMETERS = {
  /** The quads of a token, and how many there are. */
  ...integers("quads", "count"),
  /** The weights [four outputs][quad], and the end of the outputs to compute. */
  ...integers("values", "left", "rest"),
  ...OUTPUT_ARRAYS,
  ...TOKEN_ARRAYS,
  y: "i32",
} as const;

type TokenFours = FunctionReference<typeof FOURS_PARAMETERS>;

/** Adds a function that computes outputs of one token, until `left` outputs are at most `rest`. */
function addTokenFours(module: ModuleBuilder): TokenFours {
  return module.internal(FOURS_PARAMETERS, (f, p) => {
    const { values } = p;
    const sum = f.local("v128");
    const [x, end] = f.locals("i32", 2);
    f.while(i32.gtS(p.left, p.rest), () => {
      f.set(sum, v128.zero);
      f.set(x, p.quads);
      f.set(end, i32.add(x, i32.shl(p.count, 2)));
      f.while(i32.ltU(x, end), () => {
        const quads = quadsOf(f, v128.load32Splat(x));
        addDots(f, [[sum, quads]], (offset) => v128.load(values, offset), FOUR_DISTANCE);
        f.increment(x, QUAD);
        f.increment(values, BLOCK_OUTPUTS * quadBytes(f.variant));
      });
      writeToken(f, sum, p);
    });
  });
}

function addDenseToken(module: ModuleBuilder, multiply: TokenFours): ForToken {
  return module.internal(PARAMETERS, (f, p) => {
    const count = i32.shl(i32.shrU(i32.add(p.inputs, 15), 4), 2);
    f.run(multiply, { ...p, quads: p.bytes, count, left: p.outputs, rest: 0 });
  });
}

/** Adds a function that, for each block row, gathers the quads of a token and multiplies them. */
function addBlocksToken(module: ModuleBuilder, tokens: number, multiply: TokenFours): ForToken {
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
      advanceOutputs(f, p, p.height);
      f.set(left, rest);
      f.increment(p.starts, 4);
    });
  });
}

/** Advances the pointers to what belongs to outputs. */
function advanceOutputs(f: FunctionBuilder, p: Locals, outputs: Local<"i32">): void {
  const bytes = f.let(i32.shl(outputs, 2));
  for (const pointer of [p.weightSums, p.weightScales, p.y]) f.increment(pointer, bytes);
  f.if(p.bias, () => f.increment(p.bias, bytes));
}

/** Adds a function that computes the outputs of one token one by one, and writes four of them at a time. */
function addRowsToken(module: ModuleBuilder, tokens: number): ForToken {
  return module.internal(PARAMETERS, (f, p) => {
    const left = f.let(p.outputs);
    const sums = f.let(i32.add(f.workspace, INT8_SUMS));
    const sum = f.local("v128");
    const [column, value, end] = f.locals("i32", 3);
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
        f.store32Lane(i32.add(sums, i32.shl(o, 2)), sum, 0);
        f.increment(p.starts, 4);
      });
      f.set(sum, v128.load(sums));
      writeToken(f, sum, { ...p, left });
    });
  });
}
