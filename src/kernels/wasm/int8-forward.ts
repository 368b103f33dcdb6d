/**
 * y = W x + bias with 8-bit weights and activations, in tiles of tokens; a single remaining token needs no tile. Sums
 * are exact, so they do not depend on the order of the products.
 */
import { int8Layout } from "../int8.ts";
import { i32, integers, type ModuleBuilder } from "./emitter.ts";
import { addMultiplyFours } from "./int8-dot.ts";
import { addFillTokens, addWriteRest, startBias } from "./int8-outputs.ts";
import { addPackBytes, addPackQuads, type PackTile } from "./int8-tile.ts";
import {
  addBlocksProduct,
  addDenseProduct,
  addRowsProduct,
  type TileProduct,
} from "./int8-tile-products.ts";
import {
  addBlocksToken,
  addDenseToken,
  addRowsToken,
  addTokenFours,
  type TokenProduct,
} from "./int8-token-products.ts";

const PARAMETERS = {
  ...integers("bytes", "tokens", "inputs"),
  /** The number of outputs, and the number of outputs in a block row. */
  ...integers("outputs", "height"),
  ...integers("starts", "columns", "values"),
  ...integers("negatedSums", "weightScales", "bias"),
  /** The scales and zero points of tokens. */
  ...integers("scales", "zeros", "y"),
} as const;

/** Adds `int8Dense`, `int8Rows` and `int8Blocks`: one function for each form of a weight. */
export function addInt8Forward(module: ModuleBuilder): void {
  const { tokens } = int8Layout(module.variant);
  const writeRest = addWriteRest(module, tokens);
  const fours = addMultiplyFours(module, tokens, writeRest);
  const ofToken = addTokenFours(module);
  const fill = addFillTokens(module, tokens);
  const add = (name: string, pack: PackTile, forTile: TileProduct, forToken: TokenProduct): void =>
    addProduct(module, name, { tokens, fill, pack, forTile, forToken });
  const [packQuads, packBytes] = [addPackQuads(module, tokens), addPackBytes(module, tokens)];
  const dense = addDenseProduct(module, fours);
  add("int8Dense", packQuads, dense, addDenseToken(module, ofToken));
  const rows = addRowsProduct(module, tokens, writeRest);
  add("int8Rows", packQuads, rows, addRowsToken(module, tokens));
  const blocks = addBlocksProduct(module, tokens, fours, writeRest);
  add("int8Blocks", packBytes, blocks, addBlocksToken(module, tokens, ofToken));
}

interface ProductParts {
  readonly tokens: number;
  readonly fill: ReturnType<typeof addFillTokens>;
  readonly pack: PackTile;
  readonly forTile: TileProduct;
  readonly forToken: TokenProduct;
}

function addProduct(module: ModuleBuilder, name: string, parts: ProductParts): void {
  const { tokens: together, fill, pack, forTile, forToken } = parts;
  module.func(name, PARAMETERS, (f, p) => {
    const { bytes, inputs, scales, zeros, y } = p;
    const tile = f.let(f.workspace);
    const stride = f.let(i32.and(i32.add(inputs, 15), -16));
    const yStride = f.let(i32.shl(p.outputs, 2));
    const biasStep = f.local("i32");
    startBias(f, { bias: p.bias, biasStep }, p.outputs);
    f.while(i32.gtS(p.tokens, 1), () => {
      const count = f.let(i32.minS(p.tokens, together));
      f.run(pack, { rows: bytes, stride, count, tile });
      f.run(fill, { scales, zeros, count, stride: yStride });
      f.run(forTile, { ...p, tile, biasStep });
      f.increment(bytes, i32.mul(stride, count));
      f.increment(y, i32.mul(yStride, count));
      for (const pointer of [scales, zeros]) f.increment(pointer, i32.shl(count, 2));
      f.set(p.tokens, i32.sub(p.tokens, count));
    });
    f.if(p.tokens, () => f.run(forToken, { ...p, biasStep }));
  });
}
