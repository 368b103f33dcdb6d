/**
 * y = W x + bias with a block-sparse W, computed in tiles of tokens; a single remaining token needs no tile. Registers
 * accumulate at most four outputs of a block row for all tokens of a tile. The sums are then transposed and written to
 * y: either directly ({@link writesDirectly}), or through working space, which buffers the sums of 16 outputs.
 */
import {
  BLOCK_HEIGHTS,
  BLOCK_OUTPUTS,
  type BlockHeight,
  GATHERED_OUTPUTS,
  tokensTogether,
} from "../block-sparse.ts";
import {
  type BlockPlace,
  defaultToWorkspace,
  forEachBlock,
  forEachBlockRow,
  forEachFour,
  joinsVectors,
  multiplyBlocks,
  type Term,
  tileAddress,
} from "./block-rows.ts";
import {
  type FunctionBuilder,
  f32,
  f32x4,
  type I32,
  i32,
  integers,
  type Local,
  type ModuleBuilder,
  type V128,
  v128,
} from "./emitter.ts";
import type { Pack } from "./gemm-pack.ts";
import { transpose } from "./lanes.ts";

/** Adds `blockSparseForward1` to `blockSparseForward16`: one function for each block height. */
export function addBlockSparseForward(
  module: ModuleBuilder,
  packTokens: (tokens: number) => Pack,
): void {
  for (const height of BLOCK_HEIGHTS)
    addHeight(module, height, packTokens(tokensTogether(module.variant, height)));
}

function addHeight(module: ModuleBuilder, height: BlockHeight, packTokens: Pack): void {
  const forTile = addTileProduct(module, height);
  const forToken = addToken(module, height);
  const together = tokensTogether(module.variant, height);
  const parameters = {
    ...integers("x", "tokens", "inputs", "outputs"),
    ...integers("starts", "columns", "values"),
    ...integers("bias", "y", "tile"),
  } as const;
  module.func(`blockSparseForward${height}`, parameters, (f, p) => {
    const { x, inputs, outputs, starts, columns, values, bias, y, tile } = p;
    defaultToWorkspace(f, tile);
    const rows = f.let(i32.divU(outputs, height));
    const [xStride, stride] = [f.let(i32.shl(inputs, 2)), f.let(i32.shl(outputs, 2))];
    const shared = { starts, rows, columns, values, bias, y };
    f.while(i32.gtS(p.tokens, 1), () => {
      const tokens = f.let(i32.minS(p.tokens, together));
      const pack = { depth: inputs, columns: tokens, source: x, stride: xStride };
      f.run(packTokens, { ...pack, target: tile });
      f.run(forTile, { ...shared, x: tile, inputs, tokens, stride });
      f.increment(x, i32.mul(xStride, tokens));
      f.increment(y, i32.mul(stride, tokens));
      f.set(p.tokens, i32.sub(p.tokens, tokens));
    });
    f.if(p.tokens, () => f.run(forToken, { ...shared, x }));
  });
}

/**
 * Adds a function that computes the outputs of one token. It adds products in the same order as the function for a
 * tile.
 */
function addToken(module: ModuleBuilder, height: BlockHeight) {
  const outputs = Math.min(height, BLOCK_OUTPUTS);
  return module.internal(OUTPUT_PARAMETERS, (f, p) => {
    const sums = f.locals("v128", outputs === BLOCK_OUTPUTS ? 1 : outputs);
    /** Loads four floats if a block has at least four outputs, else copies float `r` to every lane. */
    const load = (at: I32, r: number): V128 =>
      outputs === BLOCK_OUTPUTS ? v128.load(at) : v128.load32Splat(at, 4 * r);
    const { starts, columns, values } = p;
    forEachBlockRow(f, { starts, columns, values, height }, p.rows, (row) => {
      forEachFour(f, row, height, (part) => {
        for (const sum of sums) f.set(sum, v128.zero);
        forEachBlock(f, part, { unroll: 1 }, ({ column, value }) => {
          const x = f.let(v128.load32Splat(i32.add(p.x, i32.shl(i32.load(column), 2))));
          for (const [r, sum] of sums.entries()) f.set(sum, f.madd(load(value, r), x, sum));
        });
        f.if(p.bias, () => {
          for (const [r, sum] of sums.entries()) f.set(sum, f32x4.add(sum, load(p.bias, r)));
          f.increment(p.bias, 4 * outputs);
        });
        for (const [r, sum] of sums.entries()) {
          if (outputs === BLOCK_OUTPUTS) f.store(p.y, sum);
          else f.store32Lane(p.y, sum, 0, 4 * r);
        }
        f.increment(p.y, 4 * outputs);
      });
    });
  });
}

/**
 * `x` points to the inputs of one token, or to a tile [inputs][tokens] followed by room for the sums of
 * {@link GATHERED_OUTPUTS} outputs. `rows` is the number of block rows. `bias` is an address, or 0 without a bias.
 */
const OUTPUT_PARAMETERS = integers("x", "starts", "rows", "columns", "values", "bias", "y");

/**
 * Adds a function that computes the outputs of the first `tokens` tokens in a tile. In y, consecutive tokens are
 * `stride` bytes apart.
 */
function addTileProduct(module: ModuleBuilder, height: BlockHeight) {
  const together = tokensTogether(module.variant, height);
  const addRows = addSumRows(module, height, together);
  const write = addWriteSums(module, together);
  const most = GATHERED_OUTPUTS / height;
  const parameters = { ...OUTPUT_PARAMETERS, ...integers("inputs", "tokens", "stride") };
  return module.internal(parameters, (f, p) => {
    const { x, tokens, starts, rows, columns, values, bias, y, stride } = p;
    const sums = f.let(i32.add(x, i32.shl(p.inputs, Math.log2(4 * together))));
    const shared = { x, starts, columns, values, sums, bias, y };
    if (writesDirectly(module, height))
      f.if(i32.eq(tokens, together), () => {
        f.run(addRows, { ...shared, rows, stride });
        f.set(rows, 0);
      });
    f.while(rows, () => {
      const some = f.let(i32.minS(rows, most));
      f.run(addRows, { ...shared, rows: some, stride: 0 });
      f.run(write, { sums, tokens, outputs: i32.mul(some, height), bias, y, stride });
      f.increment(starts, i32.shl(some, 2));
      f.increment(y, 4 * GATHERED_OUTPUTS);
      f.if(bias, () => f.increment(bias, 4 * GATHERED_OUTPUTS));
      f.set(rows, i32.sub(rows, some));
    });
  });
}

/**
 * Whether the sums of a full tile go directly from registers to y. That needs blocks of at least four outputs, and is
 * faster unless the engine joins vectors.
 */
function writesDirectly(module: ModuleBuilder, height: BlockHeight): boolean {
  return !joinsVectors(module) && height >= BLOCK_OUTPUTS;
}

/**
 * Adds a function that computes the sums of some block rows. It writes them to `sums` [outputs][tokens] if `stride` is
 * 0, else to y.
 */
function addSumRows(module: ModuleBuilder, height: BlockHeight, tokens: number) {
  const outputs = Math.min(height, BLOCK_OUTPUTS);
  const vectors = tokens / 4;
  return module.internal({ ...OUTPUT_PARAMETERS, ...integers("sums", "stride") }, (f, p) => {
    const sums = Array.from({ length: outputs }, () => f.locals("v128", vectors));
    const x = f.locals("v128", vectors);
    const at = f.local("i32");
    const terms = sums.map((ofOutput) => ofOutput.map((sum, v): Term => [sum, x[v]]));
    const before = (place: BlockPlace): void => {
      f.set(at, tileAddress(p.x, place, tokens));
      for (const [v, vector] of x.entries()) f.set(vector, v128.load(at, 16 * v));
    };
    const { starts, columns, values } = p;
    forEachBlockRow(f, { starts, columns, values, height }, p.rows, (row) => {
      forEachFour(f, row, height, (part) => {
        for (const sum of sums.flat()) f.set(sum, v128.zero);
        multiplyBlocks(f, part, { terms, before });
        const gather = (): void => {
          for (const [i, sum] of sums.flat().entries()) f.store(p.sums, sum, 16 * i);
          f.increment(p.sums, 4 * outputs * tokens);
        };
        if (writesDirectly(module, height)) f.if(p.stride, () => writeFour(f, p, sums), gather);
        else gather();
      });
    });
  });
}

type Locals<Names extends string> = Readonly<Record<Names, Local<"i32">>>;

/** Adds the bias to the accumulators of four outputs and writes them to the rows of y. */
function writeFour(
  f: FunctionBuilder,
  { bias, y, stride }: Locals<"bias" | "y" | "stride">,
  sums: readonly (readonly Local<"v128">[])[],
): void {
  f.if(bias, () => {
    for (const [r, ofOutput] of sums.entries()) {
      const weight = f.let(v128.load32Splat(bias, 4 * r));
      for (const sum of ofOutput) f.set(sum, f32x4.add(sum, weight));
    }
    f.increment(bias, 4 * BLOCK_OUTPUTS);
  });
  const to = f.let(y);
  for (const v of sums[0].keys()) {
    const vectors = sums.map((ofOutput) => ofOutput[v]);
    for (const outputs of transpose(f, vectors)) {
      f.store(to, outputs);
      f.increment(to, stride);
    }
  }
  f.increment(y, 4 * BLOCK_OUTPUTS);
}

/**
 * Adds a function that adds the bias to the sums [outputs][tokens of a tile] and writes the results to the rows of y.
 */
function addWriteSums(module: ModuleBuilder, together: number) {
  const parameters = integers("sums", "tokens", "outputs", "bias", "y", "stride");
  return module.internal(parameters, (f, { sums, tokens, outputs, bias, y, stride }) => {
    const done = f.local("i32");
    f.if(i32.eq(tokens, together), () => {
      f.set(done, i32.and(outputs, -4));
      writeFours(f, { sums, outputs: done, bias, y, stride }, together);
    });
    // Writes the outputs after the last multiple of four, or all outputs if the tile is not full.
    f.if(i32.ltS(done, outputs), () => {
      f.for(0, tokens, 1, (t) => {
        const to = f.let(i32.add(y, i32.mul(t, stride)));
        f.for(done, outputs, 1, (o) => {
          const place = i32.add(i32.mul(o, together), t);
          const sum = f.let(f32.load(i32.add(sums, i32.shl(place, 2))));
          const offset = i32.shl(o, 2);
          f.if(bias, () => f.set(sum, f32.add(sum, f32.load(i32.add(bias, offset)))));
          f.store(i32.add(to, offset), sum);
        });
      });
    });
  });
}

/** Adds the bias to a multiple of four outputs and writes them to y, four tokens at a time. */
function writeFours(
  f: FunctionBuilder,
  { sums, outputs, bias, y, stride }: Locals<"sums" | "outputs" | "bias" | "y" | "stride">,
  together: number,
): void {
  const to = f.locals("i32", 4);
  f.for(0, together, 4, (t) => {
    const from = f.let(i32.add(sums, i32.shl(t, 2)));
    const biases = f.let(bias);
    const line = f.let(i32.add(y, i32.mul(t, stride)));
    f.setSteps(to, line, stride);
    f.for(0, outputs, 4, () => {
      const fours = [0, 1, 2, 3].map((r) => f.let(v128.load(from, 4 * r * together)));
      const rows = transpose(f, fours).map((row) => f.let(row));
      f.if(bias, () => {
        const four = f.let(v128.load(biases));
        for (const row of rows) f.set(row, f32x4.add(row, four));
        f.increment(biases, 16);
      });
      for (const [i, token] of to.entries()) {
        f.store(token, rows[i]);
        f.increment(token, 16);
      }
      f.increment(from, 16 * together);
    });
  });
}
