/** y = W x + bias with a block-sparse W, by tiles of tokens. A single remaining token needs no tile. */
import { BLOCK_HEIGHTS, BLOCK_OUTPUTS, type BlockHeight, tokensTogether } from "../block-sparse.ts";
import { defaultToWorkspace, forEachBlock, forEachBlockRow, forEachFour } from "./block-rows.ts";
import { addTileProduct, OUTPUT_PARAMETERS } from "./block-sparse-tile.ts";
import { f32x4, type I32, i32, integers, type ModuleBuilder, type V128, v128 } from "./emitter.ts";
import type { Pack } from "./gemm-pack.ts";

/** Adds `blockSparseForward` followed by the height, for every height. */
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

/** The outputs of one token, with the additions of a tile in the same order. */
function addToken(module: ModuleBuilder, height: BlockHeight) {
  const outputs = Math.min(height, BLOCK_OUTPUTS);
  return module.internal(OUTPUT_PARAMETERS, (f, p) => {
    const sums = f.locals("v128", outputs === BLOCK_OUTPUTS ? 1 : outputs);
    /** Four numbers, or number r. */
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
