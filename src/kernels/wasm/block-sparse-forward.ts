/**
 * y = W x + bias with a block-sparse W: tiles of tokens, the last one perhaps not full; a token that is left alone
 * needs no tile.
 */
import { BLOCK_HEIGHTS, BLOCK_OUTPUTS, type BlockHeight, tokensTogether } from "../block-sparse.ts";
import { defaultToWorkspace, forEachBlock, forEachBlockRow, forEachFour } from "./block-rows.ts";
import { addTileProduct, OUTPUT_PARAMETERS } from "./block-sparse-tile.ts";
import { type FunctionReference, f32x4, i32, type ModuleBuilder, v128 } from "./emitter.ts";
import type { Pack } from "./gemm-pack.ts";

/** Adds `blockSparseForward` with the height behind it, for every height. */
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
    ...({ x: "i32", tokens: "i32", inputs: "i32", outputs: "i32", starts: "i32" } as const),
    ...({ columns: "i32", values: "i32", bias: "i32", y: "i32", tile: "i32" } as const),
  } as const;
  module.func(`blockSparseForward${height}`, parameters, (f, p) => {
    const { x, inputs, outputs, starts, columns, values, bias, y, tile } = p;
    defaultToWorkspace(module, f, tile);
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

/** A vector holds four outputs of a block, or one; with the additions of a tile in their order. */
function addToken(
  module: ModuleBuilder,
  height: BlockHeight,
): FunctionReference<typeof OUTPUT_PARAMETERS> {
  const outputs = Math.min(height, BLOCK_OUTPUTS);
  return module.internal(OUTPUT_PARAMETERS, (f, p) => {
    const sums = Array.from({ length: outputs === BLOCK_OUTPUTS ? 1 : outputs }, () =>
      f.local("v128"),
    );
    const { starts, columns, values } = p;
    forEachBlockRow(f, { starts, columns, values, height }, p.rows, (row) => {
      forEachFour(f, row, height, (part) => {
        for (const sum of sums) f.set(sum, v128.zero);
        forEachBlock(f, part, { unroll: 1 }, ({ column, value }) => {
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
