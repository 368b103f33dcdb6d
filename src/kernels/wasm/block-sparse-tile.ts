/**
 * The products of a tile of tokens with the block rows of a weight. The sums of four outputs of eight tokens (one or two
 * outputs of sixteen; twice as many tokens if the engine joins vectors) stay in registers for the blocks of a row, and
 * are transposed and written. The sums of sixteen outputs are gathered in memory first if the engine joins vectors, the
 * blocks have one or two outputs, or the tile is not full.
 */
import {
  BLOCK_OUTPUTS,
  type BlockHeight,
  GATHERED_OUTPUTS,
  tokensTogether,
} from "../block-sparse.ts";
import {
  type BlockPlace,
  forEachBlockRow,
  forEachFour,
  joinsVectors,
  multiplyBlocks,
  type Term,
  tileAddress,
} from "./block-rows.ts";
import {
  type FunctionBuilder,
  type FunctionReference,
  f32,
  f32x4,
  i32,
  integers,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import { transpose } from "./lanes.ts";

/** Parameters for the outputs of a tile or of one token. */
export const OUTPUT_PARAMETERS = {
  /** [inputs] of one token, or [inputs][tokens] of a tile, followed by room for the sums of {@link GATHERED_OUTPUTS}. */
  x: "i32",
  starts: "i32",
  /** Block rows. */
  rows: "i32",
  columns: "i32",
  values: "i32",
  /** 0: no bias. */
  bias: "i32",
  y: "i32",
} as const;

type TileParameters = typeof OUTPUT_PARAMETERS &
  Readonly<Record<"inputs" | "tokens" | "stride", "i32">>;

/**
 * Adds the product for blocks of a height. It writes `tokens`, at most those of a tile, with `stride` bytes between the
 * outputs of two tokens.
 */
export function addTileProduct(
  module: ModuleBuilder,
  height: BlockHeight,
): FunctionReference<TileParameters> {
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

const SUM_PARAMETERS = {
  ...OUTPUT_PARAMETERS,
  /** [outputs][tokens of a tile]. */
  sums: "i32",
  /** 0: sums are written to `sums`, without bias; else to the tokens of y, with bias. */
  stride: "i32",
} as const;

/** Whether the sums of a full tile go from registers to y. This is faster, but the engine cannot join the vectors. */
function writesDirectly(module: ModuleBuilder, height: BlockHeight): boolean {
  return !joinsVectors(module) && height >= BLOCK_OUTPUTS;
}

/** Adds the function that computes the sums of a few block rows. */
function addSumRows(module: ModuleBuilder, height: BlockHeight, tokens: number) {
  const outputs = Math.min(height, BLOCK_OUTPUTS);
  const vectors = tokens / 4;
  return module.internal(SUM_PARAMETERS, (f, p) => {
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

/** Adds the bias to the sums of four outputs and writes them to the rows of their tokens. */
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
  for (const v of sums[0].keys())
    for (const outputs of transpose(
      f,
      sums.map((ofOutput) => ofOutput[v]),
    )) {
      f.store(to, outputs);
      f.increment(to, stride);
    }
  f.increment(y, 4 * BLOCK_OUTPUTS);
}

/** Adds the function that writes sums [outputs][tokens of a tile] with the bias to the rows of their tokens. */
function addWriteSums(module: ModuleBuilder, together: number) {
  const parameters = integers("sums", "tokens", "outputs", "bias", "y", "stride");
  return module.internal(parameters, (f, { sums, tokens, outputs, bias, y, stride }) => {
    const done = f.local("i32");
    f.if(i32.eq(tokens, together), () => {
      f.set(done, i32.and(outputs, -4));
      writeFours(f, { sums, outputs: done, bias, y, stride }, together);
    });
    // Tiles that are not full, and outputs after the last multiple of four.
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

/** Writes multiples of four outputs, four tokens at a time. */
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
