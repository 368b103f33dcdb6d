/**
 * Products with a weight of which few blocks of four outputs and one input are kept. Eight tokens are turned around
 * to [inputs][8], so that a block works on vectors of tokens, whichever input it belongs to (sixteen where a block has
 * one or two outputs); tokens beyond whole
 * tiles are taken one by one, with the same additions in the same order.
 */

import { TILE_TOKENS } from "../block-sparse.ts";
import { forEachBlock, forEachBlockRow } from "./block-rows.ts";
import { addBlockSparseForward } from "./block-sparse-forward.ts";
import { addBlockSparseInputGradient } from "./block-sparse-input-gradient.ts";
import { addBlockSparseWeightGradient } from "./block-sparse-weight-gradient.ts";
import { f32, i32, type ModuleBuilder } from "./emitter.ts";
import { addPackColumns, addPackStrided, type Pack } from "./gemm-pack.ts";

/** Adds `blockSparseGather`, `blockSparseForward`, `blockSparseInputGradient` and `blockSparseWeightGradient`. */
export function addBlockSparse(module: ModuleBuilder): void {
  const packs = new Map(
    [8, 16, 32].map((tokens) => [
      tokens,
      addPackColumns(module, tokens, addPackStrided(module, tokens)),
    ]),
  );
  const packTokens = (tokens: number): Pack => {
    const pack = packs.get(tokens);
    if (pack === undefined) throw new Error(`pack: expected tiles of 8, 16 or 32, got ${tokens}`);
    return pack;
  };
  addGather(module);
  addBlockSparseForward(module, packTokens);
  addBlockSparseInputGradient(module);
  addBlockSparseWeightGradient(module, packTokens(TILE_TOKENS));
}

/** The values of the kept blocks, from the dense weight. */
function addGather(module: ModuleBuilder): void {
  const parameters = {
    ...({ weight: "i32", inputs: "i32", rows: "i32" } as const),
    ...({ starts: "i32", columns: "i32", values: "i32" } as const),
  } as const;
  module.func("blockSparseGather", parameters, (f, p) => {
    const stride = f.let(i32.shl(p.inputs, 2));
    const lines = [f.let(p.weight), f.local("i32"), f.local("i32"), f.local("i32")];
    forEachBlockRow(f, p, p.rows, (row) => {
      for (let r = 1; r < lines.length; r++) f.set(lines[r], i32.add(lines[r - 1], stride));
      forEachBlock(f, row, { unroll: 1 }, ({ column, value }) => {
        const offset = f.let(i32.shl(i32.load(column), 2));
        for (const [r, line] of lines.entries())
          f.store(value, f32.load(i32.add(line, offset)), 4 * r);
      });
      f.set(lines[0], i32.add(lines[3], stride));
    });
  });
}
