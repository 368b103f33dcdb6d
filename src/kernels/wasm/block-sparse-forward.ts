/**
 * y = W x + bias with a block-sparse W: four outputs of eight tokens at a time stay in registers, or one or two of
 * sixteen. A block of more outputs is taken in fours, which share its input's number.
 */
import { BLOCK_HEIGHTS, BLOCK_OUTPUTS, type BlockHeight, tileTokens } from "../block-sparse.ts";
import {
  type BlockRow,
  defaultToWorkspace,
  forEachBlock,
  forEachBlockRow,
  tileAddress,
} from "./block-rows.ts";
import {
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  i32,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import type { Pack } from "./gemm-pack.ts";
import { barrier } from "./gemm-tile.ts";
import { transpose } from "./transpose.ts";

/** Blocks in an iteration, and outputs between two scheduling barriers. */
const UNROLL = 4;
const OUTPUTS_PER_BARRIER = 2;

const PARAMETERS = {
  /** Of a tile: [inputs][tokens]; of one token: [inputs]. */
  x: "i32",
  starts: "i32",
  /** Block rows. */
  rows: "i32",
  columns: "i32",
  values: "i32",
  /** 0: none. */
  bias: "i32",
  y: "i32",
  /** Bytes from a token's outputs to the next token's. */
  stride: "i32",
} as const;

type Forward = FunctionReference<typeof PARAMETERS>;

/** Adds `blockSparseForward` with the height behind it, for every height. */
export function addBlockSparseForward(
  module: ModuleBuilder,
  packTokens: (tokens: number) => Pack,
): void {
  for (const height of BLOCK_HEIGHTS) addHeight(module, height, packTokens(tileTokens(height)));
}

function addHeight(module: ModuleBuilder, height: BlockHeight, packTokens: Pack): void {
  const forTile = addTile(module, height);
  const forToken = addToken(module, height);
  const together = tileTokens(height);
  const parameters = {
    ...({ x: "i32", tokens: "i32", inputs: "i32", outputs: "i32", starts: "i32" } as const),
    ...({ columns: "i32", values: "i32", bias: "i32", y: "i32", tile: "i32" } as const),
  } as const;
  module.func(`blockSparseForward${height}`, parameters, (f, p) => {
    const { x, tokens, inputs, outputs, starts, columns, values, bias, y, tile } = p;
    defaultToWorkspace(module, f, tile);
    const rows = f.let(i32.divU(outputs, height));
    const [xStride, stride] = [f.let(i32.shl(inputs, 2)), f.let(i32.shl(outputs, 2))];
    const shared = { starts, rows, columns, values, bias, y, stride };
    f.while(i32.geS(tokens, together), () => {
      const pack = { depth: inputs, columns: together, source: x, stride: xStride };
      f.run(packTokens, { ...pack, target: tile });
      f.run(forTile, { ...shared, x: tile });
      f.increment(x, i32.shl(xStride, Math.log2(together)));
      f.increment(y, i32.shl(stride, Math.log2(together)));
      f.increment(tokens, -together);
    });
    f.while(tokens, () => {
      f.run(forToken, { ...shared, x });
      f.increment(x, xStride);
      f.increment(y, stride);
      f.increment(tokens, -1);
    });
  });
}

/** Runs `body` for every four outputs of a block row, whose values stand behind each other in a block. */
function forEachFour(
  f: FunctionBuilder,
  row: BlockRow,
  height: BlockHeight,
  body: (part: BlockRow) => void,
): void {
  if (height <= BLOCK_OUTPUTS) {
    body(row);
    return;
  }
  const part = {
    ...{ remaining: f.local("i32"), column: f.local("i32"), value: f.local("i32") },
    valueBytes: row.valueBytes,
  };
  f.for(0, height / BLOCK_OUTPUTS, 1, () => {
    for (const name of ["remaining", "column", "value"] as const) f.set(part[name], row[name]);
    body(part);
    f.increment(row.value, 4 * BLOCK_OUTPUTS);
  });
}

function addTile(module: ModuleBuilder, height: BlockHeight): Forward {
  const outputs = Math.min(height, BLOCK_OUTPUTS);
  const tokens = tileTokens(height);
  const vectors = tokens / 4;
  return module.internal(PARAMETERS, (f, p) => {
    const sums = Array.from({ length: outputs }, () =>
      Array.from({ length: vectors }, () => f.local("v128")),
    );
    const x = Array.from({ length: vectors }, () => f.local("v128"));
    const weight = f.local("v128");
    const at = f.local("i32");
    const { starts, columns, values } = p;
    forEachBlockRow(f, { starts, columns, values, height }, p.rows, (row) => {
      forEachFour(f, row, height, (part) => {
        for (const sum of sums.flat()) f.set(sum, v128.zero);
        forEachBlock(f, part, UNROLL, (place) => {
          f.set(at, tileAddress(p.x, place, tokens));
          for (const [v, vector] of x.entries()) f.set(vector, v128.load(at, 16 * v));
          for (const [r, ofOutput] of sums.entries()) {
            f.set(weight, v128.load32Splat(place.value, place.offset + 4 * r));
            for (const [v, sum] of ofOutput.entries()) f.set(sum, module.madd(weight, x[v], sum));
            const next = r + 1;
            if (next < outputs && next % OUTPUTS_PER_BARRIER === 0)
              barrier(f, place.done, place.remaining, outputs * place.step + next);
          }
        });
        f.if(p.bias, () => {
          for (const [r, ofOutput] of sums.entries()) {
            f.set(weight, v128.load32Splat(p.bias, 4 * r));
            for (const sum of ofOutput) f.set(sum, f32x4.add(sum, weight));
          }
          f.increment(p.bias, 4 * outputs);
        });
        storeTokens(f, p.y, p.stride, sums);
        f.increment(p.y, 4 * outputs);
      });
    });
  });
}

/** Stores sums of tokens, a vector for four of them by output: one, two or four outputs of each token. */
function storeTokens(
  f: FunctionBuilder,
  y: Local<"i32">,
  stride: Local<"i32">,
  sums: readonly (readonly Local<"v128">[])[],
): void {
  const to = f.let(y);
  const [first, second] = sums;
  for (let v = 0; v < first.length; v++) {
    if (sums.length === BLOCK_OUTPUTS) {
      const columns = sums.map((ofOutput) => ofOutput[v]);
      for (const outputs of transpose(f, columns)) {
        f.store(to, outputs);
        f.increment(to, stride);
      }
      continue;
    }
    for (let lane = 0; lane < 4; lane++) {
      f.store32Lane(to, first[v], lane);
      if (second !== undefined) f.store32Lane(to, second[v], lane, 4);
      f.increment(to, stride);
    }
  }
}

/** A vector holds four outputs of a block, or one; with the additions of a tile in their order. */
function addToken(module: ModuleBuilder, height: BlockHeight): Forward {
  const outputs = Math.min(height, BLOCK_OUTPUTS);
  return module.internal(PARAMETERS, (f, p) => {
    const sums = Array.from({ length: outputs === BLOCK_OUTPUTS ? 1 : outputs }, () =>
      f.local("v128"),
    );
    const { starts, columns, values } = p;
    forEachBlockRow(f, { starts, columns, values, height }, p.rows, (row) => {
      forEachFour(f, row, height, (part) => {
        for (const sum of sums) f.set(sum, v128.zero);
        forEachBlock(f, part, 1, ({ column, value }) => {
          const x = f.let(v128.load32Splat(i32.add(p.x, i32.shl(i32.load(column), 2))));
          for (const [r, sum] of sums.entries()) {
            const weight =
              outputs === BLOCK_OUTPUTS ? v128.load(value) : v128.load32Splat(value, 4 * r);
            f.set(sum, module.madd(weight, x, sum));
          }
        });
        f.if(p.bias, () => {
          for (const [r, sum] of sums.entries()) {
            const bias =
              outputs === BLOCK_OUTPUTS ? v128.load(p.bias) : v128.load32Splat(p.bias, 4 * r);
            f.set(sum, f32x4.add(sum, bias));
          }
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
