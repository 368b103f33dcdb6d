/**
 * dx = W^T dy with a block-sparse W: four gradients of eight tokens stay in registers for a block row, whose blocks
 * add to a tile [inputs][8], which is turned around at the end.
 */
import { BLOCK_OUTPUTS, TILE_TOKENS } from "../block-sparse.ts";
import { defaultToWorkspace, forEachBlock, forEachBlockRow, tileAddress } from "./block-rows.ts";
import {
  type F32,
  type FunctionBuilder,
  type FunctionReference,
  f32,
  f32x4,
  type I32,
  i32,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import { barrier } from "./gemm-tile.ts";
import { transpose } from "./transpose.ts";

const VECTORS = TILE_TOKENS / 4;
/** Blocks in an iteration, and outputs between two scheduling barriers. */
const UNROLL = 4;
const OUTPUTS_PER_BARRIER = 2;

const PARAMETERS = {
  dy: "i32",
  /** Bytes from a token's outputs to the next token's. */
  stride: "i32",
  starts: "i32",
  /** Block rows. */
  rows: "i32",
  columns: "i32",
  values: "i32",
  /** The sums: of a tile [inputs][8], of one token [inputs]. */
  sums: "i32",
} as const;

type AddGradients = FunctionReference<typeof PARAMETERS>;

/** Adds `blockSparseInputGradient`. */
export function addBlockSparseInputGradient(module: ModuleBuilder): void {
  const addTile = addTileGradients(module);
  const addToken = addTokenGradients(module);
  const unpackTokens = addUnpackTokens(module);
  const parameters = {
    ...({ dy: "i32", tokens: "i32", inputs: "i32", outputs: "i32", starts: "i32" } as const),
    ...({ columns: "i32", values: "i32", dx: "i32", accumulate: "i32", tile: "i32" } as const),
  } as const;
  module.func("blockSparseInputGradient", parameters, (f, p) => {
    const { dy, tokens, inputs, outputs, starts, columns, values, dx, accumulate, tile } = p;
    defaultToWorkspace(module, f, tile);
    const rows = f.let(i32.divU(outputs, BLOCK_OUTPUTS));
    const [dxStride, stride] = [f.let(i32.shl(inputs, 2)), f.let(i32.shl(outputs, 2))];
    const shared = { dy, stride, starts, rows, columns, values, sums: tile };
    f.while(i32.geS(tokens, TILE_TOKENS), () => {
      clear(f, tile, i32.mul(inputs, TILE_TOKENS));
      f.run(addTile, shared);
      f.run(unpackTokens, { tile, inputs, dx, stride: dxStride, accumulate });
      f.increment(dy, i32.shl(stride, Math.log2(TILE_TOKENS)));
      f.increment(dx, i32.shl(dxStride, Math.log2(TILE_TOKENS)));
      f.increment(tokens, -TILE_TOKENS);
    });
    f.while(tokens, () => {
      clear(f, tile, inputs);
      f.run(addToken, shared);
      f.for(0, inputs, 1, (i) => {
        const offset = i32.shl(i, 2);
        writeFloat(f, i32.add(dx, offset), f32.load(i32.add(tile, offset)), accumulate);
      });
      f.increment(dy, stride);
      f.increment(dx, dxStride);
      f.increment(tokens, -1);
    });
  });
}

/** Sets `count` floats to zero. */
function clear(f: FunctionBuilder, start: Local<"i32">, count: I32): void {
  const at = f.let(start);
  const left = f.let(count);
  f.while(i32.geS(left, 4), () => {
    f.store(at, v128.zero);
    f.increment(at, 16);
    f.increment(left, -4);
  });
  f.while(left, () => {
    f.store(at, f32.const(0));
    f.increment(at, 4);
    f.increment(left, -1);
  });
}

/** Adds a tile's gradients of all outputs to its sums. */
function addTileGradients(module: ModuleBuilder): AddGradients {
  return module.internal(PARAMETERS, (f, p) => {
    const sums = Array.from({ length: VECTORS }, () => f.local("v128"));
    const weight = f.local("v128");
    const at = f.local("i32");
    forEachBlockRow(f, p, p.rows, (row) => {
      const gradients = loadTokens(f, p.dy, p.stride);
      forEachBlock(f, row, UNROLL, (place) => {
        f.set(at, tileAddress(p.sums, place, TILE_TOKENS));
        for (const [v, sum] of sums.entries()) f.set(sum, v128.load(at, 16 * v));
        for (const [r, ofOutput] of gradients.entries()) {
          f.set(weight, v128.load32Splat(place.value, place.offset + 4 * r));
          for (const [v, sum] of sums.entries()) f.set(sum, module.madd(weight, ofOutput[v], sum));
          const next = r + 1;
          if (next < BLOCK_OUTPUTS && next % OUTPUTS_PER_BARRIER === 0)
            barrier(f, place.done, place.remaining, BLOCK_OUTPUTS * place.step + next);
        }
        for (const [v, sum] of sums.entries()) f.store(at, sum, 16 * v);
      });
      f.increment(p.dy, 4 * BLOCK_OUTPUTS);
    });
  });
}

/** The gradients of four outputs, each a vector for every four tokens. */
function loadTokens(f: FunctionBuilder, dy: Local<"i32">, stride: I32): Local<"v128">[][] {
  const from = f.let(dy);
  const gradients = Array.from({ length: BLOCK_OUTPUTS }, (): Local<"v128">[] => []);
  for (let v = 0; v < VECTORS; v++) {
    const tokens = Array.from({ length: 4 }, () => {
      const outputs = f.let(v128.load(from));
      f.increment(from, stride);
      return outputs;
    });
    for (const [r, ofOutput] of transpose(f, tokens).entries()) gradients[r].push(f.let(ofOutput));
  }
  return gradients;
}

/** Adds one token's gradients of all outputs to its sums, in the order and with the roundings of a tile. */
function addTokenGradients(module: ModuleBuilder): AddGradients {
  return module.internal(PARAMETERS, (f, p) => {
    const gradients = Array.from({ length: BLOCK_OUTPUTS }, () => f.local("v128"));
    const sum = f.local("v128");
    const at = f.local("i32");
    forEachBlockRow(f, p, p.rows, (row) => {
      for (const [r, gradient] of gradients.entries())
        f.set(gradient, v128.load32Zero(p.dy, 4 * r));
      forEachBlock(f, row, 1, ({ column, value }) => {
        f.set(at, i32.add(p.sums, i32.shl(i32.load(column), 2)));
        f.set(sum, v128.load32Zero(at));
        for (const [r, gradient] of gradients.entries())
          f.set(sum, module.madd(v128.load32Zero(value, 4 * r), gradient, sum));
        f.store32Lane(at, sum, 0);
      });
      f.increment(p.dy, 4 * BLOCK_OUTPUTS);
    });
  });
}

const UNPACK_PARAMETERS = {
  /** [inputs][8]. */
  tile: "i32",
  inputs: "i32",
  dx: "i32",
  /** Bytes from a token's inputs to the next token's. */
  stride: "i32",
  accumulate: "i32",
} as const;

/** Adds the writing of a tile's sums into the rows of its tokens. */
function addUnpackTokens(module: ModuleBuilder): FunctionReference<typeof UNPACK_PARAMETERS> {
  return module.internal(UNPACK_PARAMETERS, (f, { tile, inputs, dx, stride, accumulate }) => {
    const rows = Array.from({ length: TILE_TOKENS }, () => f.local("i32"));
    for (const [t, row] of rows.entries()) f.set(row, t === 0 ? dx : i32.add(rows[t - 1], stride));
    const writeFour = (add: boolean): void => {
      for (let v = 0; v < VECTORS; v++) {
        const ofInputs = [0, 1, 2, 3].map((i) =>
          f.let(v128.load(tile, 4 * TILE_TOKENS * i + 16 * v)),
        );
        for (const [t, sums] of transpose(f, ofInputs).entries()) {
          const row = rows[4 * v + t];
          f.store(row, add ? f32x4.add(v128.load(row), sums) : sums);
        }
      }
    };
    f.while(i32.geS(inputs, 4), () => {
      f.if(
        accumulate,
        () => writeFour(true),
        () => writeFour(false),
      );
      for (const row of rows) f.increment(row, 16);
      f.increment(tile, 16 * TILE_TOKENS);
      f.increment(inputs, -4);
    });
    f.while(inputs, () => {
      for (const [t, row] of rows.entries()) {
        writeFloat(f, row, f32.load(tile, 4 * t), accumulate);
        f.increment(row, 4);
      }
      f.increment(tile, 4 * TILE_TOKENS);
      f.increment(inputs, -1);
    });
  });
}

/** Writes a float, or adds it to what is there. */
function writeFloat(f: FunctionBuilder, at: I32, value: F32, accumulate: I32): void {
  f.if(
    accumulate,
    () => f.store(at, f32.add(f32.load(at), value)),
    () => f.store(at, value),
  );
}
