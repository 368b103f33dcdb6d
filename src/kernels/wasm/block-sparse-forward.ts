/** y = W x + bias with a block-sparse W: four outputs of eight tokens at a time stay in registers. */
import { BLOCK_OUTPUTS, TILE_TOKENS } from "../block-sparse.ts";
import { defaultToWorkspace, forEachBlock, forEachBlockRow, tileAddress } from "./block-rows.ts";
import { type FunctionReference, f32x4, i32, type ModuleBuilder, v128 } from "./emitter.ts";
import type { Pack } from "./gemm-pack.ts";
import { barrier } from "./gemm-tile.ts";
import { transpose } from "./transpose.ts";

const VECTORS = TILE_TOKENS / 4;
/** Blocks in an iteration, and outputs between two scheduling barriers. */
const UNROLL = 4;
const OUTPUTS_PER_BARRIER = 2;

const PARAMETERS = {
  /** Of a tile: [inputs][8]; of one token: [inputs]. */
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

/** Adds `blockSparseForward`. */
export function addBlockSparseForward(module: ModuleBuilder, packTokens: Pack): void {
  const forTile = addTile(module);
  const forToken = addToken(module);
  const parameters = {
    ...({ x: "i32", tokens: "i32", inputs: "i32", outputs: "i32", starts: "i32" } as const),
    ...({ columns: "i32", values: "i32", bias: "i32", y: "i32", tile: "i32" } as const),
  } as const;
  module.func("blockSparseForward", parameters, (f, p) => {
    const { x, tokens, inputs, outputs, starts, columns, values, bias, y, tile } = p;
    defaultToWorkspace(module, f, tile);
    const rows = f.let(i32.divU(outputs, BLOCK_OUTPUTS));
    const [xStride, stride] = [f.let(i32.shl(inputs, 2)), f.let(i32.shl(outputs, 2))];
    const shared = { starts, rows, columns, values, bias, y, stride };
    f.while(i32.geS(tokens, TILE_TOKENS), () => {
      const pack = { depth: inputs, columns: TILE_TOKENS, source: x, stride: xStride };
      f.run(packTokens, { ...pack, target: tile });
      f.run(forTile, { ...shared, x: tile });
      f.increment(x, i32.shl(xStride, Math.log2(TILE_TOKENS)));
      f.increment(y, i32.shl(stride, Math.log2(TILE_TOKENS)));
      f.increment(tokens, -TILE_TOKENS);
    });
    f.while(tokens, () => {
      f.run(forToken, { ...shared, x });
      f.increment(x, xStride);
      f.increment(y, stride);
      f.increment(tokens, -1);
    });
  });
}

function addTile(module: ModuleBuilder): Forward {
  return module.internal(PARAMETERS, (f, p) => {
    const sums = Array.from({ length: BLOCK_OUTPUTS }, () =>
      Array.from({ length: VECTORS }, () => f.local("v128")),
    );
    const x = Array.from({ length: VECTORS }, () => f.local("v128"));
    const weight = f.local("v128");
    const at = f.local("i32");
    const to = f.local("i32");
    forEachBlockRow(f, p, p.rows, (row) => {
      for (const sum of sums.flat()) f.set(sum, v128.zero);
      forEachBlock(f, row, UNROLL, (place) => {
        f.set(at, tileAddress(p.x, place));
        for (const [v, vector] of x.entries()) f.set(vector, v128.load(at, 16 * v));
        for (const [r, ofOutput] of sums.entries()) {
          f.set(weight, v128.load32Splat(place.value, 16 * place.step + 4 * r));
          for (const [v, sum] of ofOutput.entries()) f.set(sum, module.madd(weight, x[v], sum));
          const next = r + 1;
          if (next < BLOCK_OUTPUTS && next % OUTPUTS_PER_BARRIER === 0)
            barrier(f, place.done, place.remaining, BLOCK_OUTPUTS * place.step + next);
        }
      });
      f.if(p.bias, () => {
        for (const [r, ofOutput] of sums.entries()) {
          f.set(weight, v128.load32Splat(p.bias, 4 * r));
          for (const sum of ofOutput) f.set(sum, f32x4.add(sum, weight));
        }
        f.increment(p.bias, 4 * BLOCK_OUTPUTS);
      });
      f.set(to, p.y);
      for (let v = 0; v < VECTORS; v++) {
        for (const outputs of transpose(
          f,
          sums.map((ofOutput) => ofOutput[v]),
        )) {
          f.store(to, outputs);
          f.increment(to, p.stride);
        }
      }
      f.increment(p.y, 4 * BLOCK_OUTPUTS);
    });
  });
}

/** A vector holds the four outputs of a block. */
function addToken(module: ModuleBuilder): Forward {
  return module.internal(PARAMETERS, (f, p) => {
    const sum = f.local("v128");
    forEachBlockRow(f, p, p.rows, (row) => {
      f.set(sum, v128.zero);
      forEachBlock(f, row, 1, ({ column, value }) => {
        const x = v128.load32Splat(i32.add(p.x, i32.shl(i32.load(column), 2)));
        f.set(sum, module.madd(v128.load(value), x, sum));
      });
      f.if(p.bias, () => {
        f.set(sum, f32x4.add(sum, v128.load(p.bias)));
        f.increment(p.bias, 4 * BLOCK_OUTPUTS);
      });
      f.store(p.y, sum);
      f.increment(p.y, 4 * BLOCK_OUTPUTS);
    });
  });
}
