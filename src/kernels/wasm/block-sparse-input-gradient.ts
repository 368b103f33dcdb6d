/**
 * dx = W^T dy with a block-sparse W, computed in tiles of tokens. Registers hold the gradients of four outputs, while
 * their products with the weights in a block row are added to a tile [inputs][tokens]. At the end, the tile is
 * transposed and written to dx.
 */
import { BLOCK_OUTPUTS, tokensTogether } from "../block-sparse.ts";
import {
  defaultToWorkspace,
  forEachBlock,
  forEachBlockRow,
  joinsVectors,
  multiplyBlocks,
  type Term,
  tileAddress,
} from "./block-rows.ts";
import {
  type F32,
  type FunctionBuilder,
  f32,
  f32x4,
  type I32,
  i32,
  integers,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import { transpose } from "./lanes.ts";

/**
 * `stride` is the number of bytes between consecutive tokens in dy, `rows` the number of block rows. `sums` points to a
 * tile [inputs][tokens], or to [inputs] for one token.
 */
const PARAMETERS = integers("dy", "stride", "starts", "rows", "columns", "values", "sums");

/** Adds the function `blockSparseInputGradient` to the module. */
export function addBlockSparseInputGradient(module: ModuleBuilder): void {
  const together = tokensTogether(module.variant, BLOCK_OUTPUTS);
  const addTile = addTileGradients(module, together);
  const addToken = addTokenGradients(module);
  const unpackTokens = addUnpackTokens(module, together);
  const parameters = {
    ...integers("dy", "tokens", "inputs", "outputs"),
    ...integers("starts", "columns", "values"),
    ...integers("dx", "accumulate", "tile"),
  } as const;
  module.func("blockSparseInputGradient", parameters, (f, p) => {
    const { dy, inputs, outputs, starts, columns, values, dx, accumulate, tile } = p;
    defaultToWorkspace(f, tile);
    const rows = f.let(i32.divU(outputs, BLOCK_OUTPUTS));
    const [dxStride, stride] = [f.let(i32.shl(inputs, 2)), f.let(i32.shl(outputs, 2))];
    const shared = { dy, stride, starts, rows, columns, values, sums: tile };
    const length = f.let(i32.mul(inputs, together));
    const transposed = f.let(i32.add(tile, i32.shl(length, 2)));
    f.while(i32.gtS(p.tokens, 1), () => {
      const tokens = f.let(i32.minS(p.tokens, together));
      clear(f, tile, length);
      f.run(addTile, { ...shared, tokens, transposed });
      f.run(unpackTokens, { tile, tokens, inputs, dx, stride: dxStride, accumulate });
      f.increment(dy, i32.mul(stride, tokens));
      f.increment(dx, i32.mul(dxStride, tokens));
      f.set(p.tokens, i32.sub(p.tokens, tokens));
    });
    f.if(p.tokens, () => {
      clear(f, tile, inputs);
      f.run(addToken, shared);
      f.for(0, inputs, 1, (i) => {
        const offset = i32.shl(i, 2);
        writeFloat(f, i32.add(dx, offset), f32.load(i32.add(tile, offset)), accumulate);
      });
    });
  });
}

function clear(f: FunctionBuilder, start: Local<"i32">, count: I32): void {
  const at = f.let(start);
  const left = f.let(count);
  f.while(i32.geS(left, 16), () => {
    for (let i = 0; i < 64; i += 16) f.store(at, v128.zero, i);
    f.increment(at, 64);
    f.increment(left, -16);
  });
  f.while(left, () => {
    f.store(at, f32.const(0));
    f.increment(at, 4);
    f.increment(left, -1);
  });
}

/**
 * Adds a function that computes dx for a tile of tokens, in `sums`. `transposed` points to room for [4][tokens of a
 * tile].
 */
function addTileGradients(module: ModuleBuilder, together: number) {
  return module.internal({ ...PARAMETERS, ...integers("tokens", "transposed") }, (f, p) => {
    const sums = f.locals("v128", together / 4);
    const at = f.local("i32");
    // The address of each token's row in dy; missing tokens repeat the last address.
    const next = f.let(p.dy);
    const tokens = Array.from({ length: together }, (_, t) => {
      const token = f.let(next);
      f.if(i32.ltS(i32.const(t + 1), p.tokens), () => f.increment(next, p.stride));
      return token;
    });
    const offset = f.let(i32.const(0));
    forEachBlockRow(f, p, p.rows, (row) => {
      const gradients = loadTokens(f, tokens, offset, joinsVectors(module) ? p.transposed : null);
      multiplyBlocks(f, row, {
        terms: gradients.map((ofOutput) => sums.map((sum, v): Term => [sum, ofOutput[v]])),
        before: (place) => {
          f.set(at, tileAddress(p.sums, place, together));
          for (const [v, sum] of sums.entries()) f.set(sum, v128.load(at, 16 * v));
        },
        after: () => {
          for (const [v, sum] of sums.entries()) f.store(at, sum, 16 * v);
        },
      });
      f.increment(offset, 4 * BLOCK_OUTPUTS);
    });
  });
}

/**
 * Loads the gradients of four outputs as vectors of four tokens. If the engine joins vectors, the gradients go through
 * the memory at `transposed`; otherwise `transposed` is null.
 */
function loadTokens(
  f: FunctionBuilder,
  tokens: readonly Local<"i32">[],
  offset: I32,
  transposed: I32 | null,
): Local<"v128">[][] {
  const gradients = Array.from({ length: BLOCK_OUTPUTS }, (): Local<"v128">[] => []);
  for (let t = 0; t < tokens.length; t += 4) {
    const four = tokens.slice(t, t + 4).map((token) => f.let(v128.load(i32.add(token, offset))));
    for (const [r, ofOutput] of transpose(f, four).entries()) {
      if (transposed === null) gradients[r].push(f.let(ofOutput));
      else f.store(transposed, ofOutput, 4 * (r * tokens.length + t));
    }
  }
  if (transposed === null) return gradients;
  return gradients.map((_, r) =>
    Array.from({ length: tokens.length / 4 }, (_, v) =>
      f.let(v128.load(transposed, 4 * (r * tokens.length + 4 * v))),
    ),
  );
}

/**
 * Adds a function that computes dx for one token, in `sums`. It adds products in the same order as the function for a
 * tile.
 */
function addTokenGradients(module: ModuleBuilder) {
  return module.internal(PARAMETERS, (f, p) => {
    const gradients = f.locals("v128", BLOCK_OUTPUTS);
    const sum = f.local("v128");
    const at = f.local("i32");
    forEachBlockRow(f, p, p.rows, (row) => {
      for (const [r, gradient] of gradients.entries())
        f.set(gradient, v128.load32Zero(p.dy, 4 * r));
      forEachBlock(f, row, { unroll: 1 }, ({ column, value }) => {
        f.set(at, i32.add(p.sums, i32.shl(i32.load(column), 2)));
        f.set(sum, v128.load32Zero(at));
        for (const [r, gradient] of gradients.entries())
          f.set(sum, f.madd(v128.load32Zero(value, 4 * r), gradient, sum));
        f.store32Lane(at, sum, 0);
      });
      f.increment(p.dy, 4 * BLOCK_OUTPUTS);
    });
  });
}

/** Adds a function that writes the sums in a tile to the rows of dx, or with `accumulate` adds them to dx. */
function addUnpackTokens(module: ModuleBuilder, together: number) {
  const parameters = integers("tile", "tokens", "inputs", "dx", "stride", "accumulate");
  return module.internal(parameters, (f, { tile, tokens, inputs, dx, stride, accumulate }) => {
    const rows = f.locals("i32", together);
    f.setSteps(rows, dx, stride);
    const writeFour = (add: boolean): void => {
      for (let v = 0; v < together / 4; v++) {
        const ofInputs = [0, 1, 2, 3].map((i) => f.let(v128.load(tile, 4 * together * i + 16 * v)));
        for (const [t, sums] of transpose(f, ofInputs).entries()) {
          const row = rows[4 * v + t];
          f.store(row, add ? f32x4.add(v128.load(row), sums) : sums);
        }
      }
    };
    f.if(i32.eq(tokens, together), () => {
      f.while(i32.geS(inputs, 4), () => {
        f.if(
          accumulate,
          () => writeFour(true),
          () => writeFour(false),
        );
        for (const row of rows) f.increment(row, 16);
        f.increment(tile, 16 * together);
        f.increment(inputs, -4);
      });
    });
    // Writes the inputs after the last multiple of four, or all inputs if the tile is not full.
    f.while(inputs, () => {
      const to = f.let(rows[0]);
      const from = f.let(tile);
      f.for(0, tokens, 1, () => {
        writeFloat(f, to, f32.load(from), accumulate);
        f.increment(to, stride);
        f.increment(from, 4);
      });
      f.increment(rows[0], 4);
      f.increment(tile, 4 * together);
      f.increment(inputs, -1);
    });
  });
}

function writeFloat(f: FunctionBuilder, at: I32, value: F32, accumulate: I32): void {
  f.if(
    accumulate,
    () => f.store(at, f32.add(f32.load(at), value)),
    () => f.store(at, value),
  );
}
