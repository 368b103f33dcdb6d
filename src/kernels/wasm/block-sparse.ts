/** Adds the functions for products with block-sparse weights to a module. */
import { forEachBlock, forEachBlockRow } from "./block-rows.ts";
import { addBlockSparseForward } from "./block-sparse-forward.ts";
import { addBlockSparseInputGradient } from "./block-sparse-input-gradient.ts";
import { addBlockSparseWeightGradient } from "./block-sparse-weight-gradient.ts";
import { f32, i32, integers, type ModuleBuilder } from "./emitter.ts";
import { addPackColumns, addPackStrided, type Pack } from "./gemm-pack.ts";

export function addBlockSparse(module: ModuleBuilder): void {
  const packs = new Map<number, Pack>();
  const packTokens = (tokens: number): Pack => {
    const pack =
      packs.get(tokens) ?? addPackColumns(module, tokens, addPackStrided(module, tokens));
    packs.set(tokens, pack);
    return pack;
  };
  addGather(module);
  addBlockSparseForward(module, packTokens);
  addBlockSparseInputGradient(module);
  addBlockSparseWeightGradient(module);
}

/** Adds `blockSparseGather`, which copies the values of the kept blocks from the dense weight. */
function addGather(module: ModuleBuilder): void {
  const parameters = integers("weight", "inputs", "rows", "starts", "columns", "values");
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
