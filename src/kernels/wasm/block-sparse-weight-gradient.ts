/**
 * dW += dy^T x at the kept blocks of W alone. A vector holds the four outputs of a block, so that gradients are read
 * as they lie, those of eight tokens into registers for a block row. Each block's sum passes through `sums` once for
 * each tile of tokens, and is added to dW at the end.
 */
import { BLOCK_OUTPUTS, TILE_TOKENS } from "../block-sparse.ts";
import { defaultToWorkspace, forEachBlock, forEachBlockRow, tileAddress } from "./block-rows.ts";
import { type FunctionReference, f32, i32, type ModuleBuilder, v128 } from "./emitter.ts";
import type { Pack } from "./gemm-pack.ts";
import { barrier } from "./gemm-tile.ts";

/** Blocks in an iteration, and tokens between two scheduling barriers. */
const UNROLL = 2;
const TOKENS_PER_BARRIER = 4;

const PARAMETERS = {
  /** At the first block row's outputs. */
  dy: "i32",
  /** Bytes from a token's outputs to the next token's. */
  stride: "i32",
  /** Of a tile: [inputs][8]; of one token: [inputs]. */
  x: "i32",
  starts: "i32",
  /** Block rows. */
  rows: "i32",
  columns: "i32",
  /** The sums of all blocks: [blocks][4]. */
  values: "i32",
} as const;

type AddProducts = FunctionReference<typeof PARAMETERS>;

/** Adds `blockSparseWeightGradient`. */
export function addBlockSparseWeightGradient(module: ModuleBuilder, packTokens: Pack): void {
  const addTile = addTileProducts(module);
  const addToken = addTokenProducts(module);
  const parameters = {
    ...({ dy: "i32", x: "i32", tokens: "i32", inputs: "i32", outputs: "i32" } as const),
    ...({ starts: "i32", columns: "i32", dWeight: "i32", first: "i32", end: "i32" } as const),
    ...({ tile: "i32", sums: "i32" } as const),
  } as const;
  module.func("blockSparseWeightGradient", parameters, (f, p) => {
    const { dy, x, tokens, inputs, outputs, columns, dWeight, tile, sums } = p;
    const [xStride, stride] = [f.let(i32.shl(inputs, 2)), f.let(i32.shl(outputs, 2))];
    defaultToWorkspace(module, f, tile);
    const rows = f.let(i32.sub(p.end, p.first));
    const starts = f.let(i32.add(p.starts, i32.shl(p.first, 2)));
    const blocks = { starts, rows, columns, values: sums };
    forEachBlockRow(f, { ...blocks, starts: f.let(starts) }, rows, (row) => {
      forEachBlock(f, row, { unroll: 1 }, ({ value }) => f.store(value, v128.zero));
    });
    f.increment(dy, i32.mul(p.first, 4 * BLOCK_OUTPUTS));
    f.while(i32.geS(tokens, TILE_TOKENS), () => {
      const pack = { depth: inputs, columns: TILE_TOKENS, source: x, stride: xStride };
      f.run(packTokens, { ...pack, target: tile });
      f.run(addTile, { ...blocks, dy, stride, x: tile });
      f.increment(x, i32.shl(xStride, Math.log2(TILE_TOKENS)));
      f.increment(dy, i32.shl(stride, Math.log2(TILE_TOKENS)));
      f.increment(tokens, -TILE_TOKENS);
    });
    f.while(tokens, () => {
      f.run(addToken, { ...blocks, dy, stride, x });
      f.increment(x, xStride);
      f.increment(dy, stride);
      f.increment(tokens, -1);
    });
    f.increment(dWeight, i32.mul(i32.mul(p.first, BLOCK_OUTPUTS), xStride));
    forEachBlockRow(f, blocks, rows, (row) => {
      forEachBlock(f, row, { unroll: 1 }, ({ column, value }) => {
        const at = f.let(i32.add(dWeight, i32.shl(i32.load(column), 2)));
        for (let r = 0; r < BLOCK_OUTPUTS; r++) {
          f.store(at, f32.add(f32.load(at), f32.load(value, 4 * r)));
          f.increment(at, xStride);
        }
      });
      f.increment(dWeight, i32.shl(xStride, Math.log2(BLOCK_OUTPUTS)));
    });
  });
}

/** Adds the products of a tile of tokens to the sums. */
function addTileProducts(module: ModuleBuilder): AddProducts {
  return module.internal(PARAMETERS, (f, p) => {
    const gradients = Array.from({ length: TILE_TOKENS }, () => f.local("v128"));
    const sum = f.local("v128");
    const at = f.local("i32");
    const from = f.local("i32");
    forEachBlockRow(f, p, p.rows, (row) => {
      f.set(from, p.dy);
      for (const gradient of gradients) {
        f.set(gradient, v128.load(from));
        f.increment(from, p.stride);
      }
      forEachBlock(f, row, { unroll: UNROLL }, (place) => {
        f.set(at, tileAddress(p.x, place, TILE_TOKENS));
        f.set(sum, v128.load(place.value, place.offset));
        for (const [t, gradient] of gradients.entries()) {
          f.set(sum, module.madd(v128.load32Splat(at, 4 * t), gradient, sum));
          const next = t + 1;
          if (next < TILE_TOKENS && next % TOKENS_PER_BARRIER === 0)
            barrier(f, place.done, place.remaining, TILE_TOKENS * place.step + next);
        }
        f.store(place.value, sum, place.offset);
      });
      f.increment(p.dy, 4 * BLOCK_OUTPUTS);
    });
  });
}

/** Adds the products of one token to the sums. */
function addTokenProducts(module: ModuleBuilder): AddProducts {
  return module.internal(PARAMETERS, (f, p) => {
    const gradient = f.local("v128");
    forEachBlockRow(f, p, p.rows, (row) => {
      f.set(gradient, v128.load(p.dy));
      forEachBlock(f, row, { unroll: 1 }, ({ column, value }) => {
        const x = v128.load32Splat(i32.add(p.x, i32.shl(i32.load(column), 2)));
        f.store(value, module.madd(x, gradient, v128.load(value)));
      });
      f.increment(p.dy, 4 * BLOCK_OUTPUTS);
    });
  });
}
