/**
 * dW += dy^T x at the kept blocks of W, computed in tiles of tokens. Both factors are transposed, so that an element of
 * dW is a dot product of contiguous floats. Two blocks are computed at a time: they have enough independent sums to
 * hide the latency of the additions.
 */
import { BLOCK_OUTPUTS, SHARD_TOKENS, TILE_OUTPUTS, TILE_TOKENS } from "../block-sparse.ts";
import { defaultToWorkspace, forEachBlock, forEachBlockRow, joinsVectors } from "./block-rows.ts";
import {
  type FunctionBuilder,
  f32,
  f32x4,
  i32,
  i32x4,
  integers,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import { barrier } from "./gemm-tile.ts";
import { transpose } from "./lanes.ts";

/** The size of a transposed column in bytes. */
const COLUMN_BYTES = 4 * TILE_TOKENS;
/**
 * The number of tokens that are transposed together, so that each column receives a whole cache line. Missing tokens in
 * the last group become 0.
 */
const GROUP = 16;
/** The number of floats in a cache line. */
const LINE = 16;
/** The number of accumulators in registers. Each is a vector, or two vectors if the engine joins them. */
const SUMS = 8;

/**
 * Adds `blockSparseWeightSums` and `blockSparseAddSums`. Both work on the block rows from `first` (inclusive) to `end`
 * (exclusive).
 */
export function addBlockSparseWeightGradient(module: ModuleBuilder): void {
  const transposeTile = addTransposeTile(module);
  const addTile = addTileProducts(module);
  const parameters = {
    ...integers("dy", "x", "tokens", "inputs", "outputs"),
    ...integers("first", "end", "starts", "columns", "blocks"),
    ...integers("sums", "tile"),
  } as const;
  module.func("blockSparseWeightSums", parameters, (f, p) => {
    const { dy, x, tokens, inputs, first, columns, sums, tile } = p;
    defaultToWorkspace(f, tile);
    const [xStride, dyStride] = [f.let(i32.shl(inputs, 2)), f.let(i32.shl(p.outputs, 2))];
    f.increment(p.starts, i32.shl(first, 2));
    f.increment(dy, i32.mul(first, 4 * BLOCK_OUTPUTS));
    const outputs = f.let(i32.mul(i32.sub(p.end, first), BLOCK_OUTPUTS));
    const dyTile = f.let(i32.add(tile, i32.mul(inputs, COLUMN_BYTES)));
    const room = f.let(i32.add(dyTile, TILE_OUTPUTS * COLUMN_BYTES));
    const shardBytes = f.let(i32.mul(p.blocks, 4 * BLOCK_OUTPUTS));
    const kept = f.let(i32.const(0));
    const left = f.let(i32.const(SHARD_TOKENS));
    f.while(i32.gtS(tokens, 0), () => {
      const some = f.let(i32.minS(tokens, TILE_TOKENS));
      f.run(transposeTile, { source: x, stride: xStride, tokens: some, columns: inputs, to: tile });
      const starts = f.let(p.starts);
      f.for(0, outputs, TILE_OUTPUTS, (output) => {
        const few = f.let(i32.minS(i32.sub(outputs, output), TILE_OUTPUTS));
        const source = i32.add(dy, i32.shl(output, 2));
        f.run(transposeTile, { source, stride: dyStride, tokens: some, columns: few, to: dyTile });
        const rows = i32.shrU(few, Math.log2(BLOCK_OUTPUTS));
        const factors = { dy: dyTile, x: tile, tokens: some };
        f.run(addTile, { ...factors, starts, rows, columns, sums, kept, room });
        f.increment(starts, (4 * TILE_OUTPUTS) / BLOCK_OUTPUTS);
      });
      f.set(kept, i32.const(-1));
      f.increment(left, -TILE_TOKENS);
      f.if(i32.eqz(left), () => {
        f.set(kept, i32.const(0));
        f.set(left, i32.const(SHARD_TOKENS));
        f.increment(sums, shardBytes);
      });
      f.increment(dy, i32.mul(dyStride, TILE_TOKENS));
      f.increment(x, i32.mul(xStride, TILE_TOKENS));
      f.increment(tokens, -TILE_TOKENS);
    });
  });
  addAddSums(module);
}

/**
 * Adds a function that accumulates the products of a tile in the `sums` [blocks][4] of some block rows. `x` and `dy`
 * are transposed; `dy` starts at the first of these rows. If `kept` is -1, the products are added to the sums; if it is
 * 0, they replace the sums. `room` is working space for {@link addUp}.
 */
function addTileProducts(module: ModuleBuilder) {
  const parameters = {
    ...integers("dy", "x", "tokens", "starts", "rows", "columns"),
    ...integers("sums", "kept", "room"),
  } as const;
  return module.internal(parameters, (f, p) => {
    const groups = f.let(i32.shrU(i32.add(p.tokens, GROUP - 1), Math.log2(GROUP)));
    const kept = f.let(i32x4.splat(p.kept));
    forEachBlockRow(f, { ...p, values: p.sums }, p.rows, ({ remaining, column, value }) => {
      for (const blocks of [2, 1])
        f.while(i32.geS(remaining, blocks), () => {
          const x = Array.from({ length: blocks }, (_, b) => {
            const offset = i32.mul(i32.load(column, 4 * b), COLUMN_BYTES);
            return f.let(i32.add(p.x, offset));
          });
          for (const [b, sum] of dotProducts(f, p, x, groups).entries()) {
            const before = v128.and(v128.load(value, 16 * b), kept);
            f.store(value, f32x4.add(before, sum), 16 * b);
          }
          f.increment(column, 4 * blocks);
          f.increment(value, 16 * blocks);
          f.increment(remaining, -blocks);
        });
      f.increment(p.dy, BLOCK_OUTPUTS * COLUMN_BYTES);
    });
  });
}

/**
 * Computes the four dot products of each block. `x` has a pointer to each block's column of x; the function advances
 * these pointers.
 */
function dotProducts(
  f: FunctionBuilder,
  p: Readonly<Record<"dy" | "room", Local<"i32">>>,
  x: readonly Local<"i32">[],
  groups: Local<"i32">,
): readonly Local<"v128">[] {
  const joined = joinsVectors(f) ? 2 : 1;
  // With a single block, even and odd steps use separate sums, so that there are as many independent sums as with two
  // blocks.
  const steps = SUMS / (BLOCK_OUTPUTS * x.length);
  const vectors = (): Local<"v128">[] => f.locals("v128", joined);
  const sums = x.map(() =>
    Array.from({ length: steps }, () => Array.from({ length: BLOCK_OUTPUTS }, vectors)),
  );
  for (const sum of sums.flat(3)) f.set(sum, v128.zero);
  const dy = f.let(p.dy);
  const [xs, dys] = [x.map(vectors), vectors()];
  const left = f.let(groups);
  f.block((done) => {
    f.while(left, () => {
      for (let at = 0, step = 0; at < 4 * GROUP; at += 16 * joined, step++) {
        if (joined === 1 && step > 0) barrier(f, done, left, step);
        for (const [b, pointer] of x.entries())
          for (const [v, vector] of xs[b].entries()) f.set(vector, v128.load(pointer, at + 16 * v));
        for (let r = 0; r < BLOCK_OUTPUTS; r++) {
          for (const [v, vector] of dys.entries())
            f.set(vector, v128.load(dy, r * COLUMN_BYTES + at + 16 * v));
          for (const [b, ofBlock] of sums.entries())
            for (const [v, sum] of ofBlock[step % steps][r].entries())
              f.set(sum, f.madd(xs[b][v], dys[v], sum));
        }
      }
      for (const pointer of [dy, ...x]) f.increment(pointer, 4 * GROUP);
      f.increment(left, -1);
    });
  });
  return sums.map((ofBlock) => addUp(f, ofBlock, p.room));
}

/** Reduces the vector sums of four outputs to one float per output. `room` points to space for the vectors. */
function addUp(
  f: FunctionBuilder,
  sums: readonly (readonly (readonly Local<"v128">[])[])[],
  room: Local<"i32">,
): Local<"v128"> {
  const [first, ...others] = sums;
  for (const other of others)
    for (const [r, vectors] of other.entries())
      for (const [v, vector] of vectors.entries())
        f.set(first[r][v], f32x4.add(first[r][v], vector));
  const fours = first.map(([low]) => low);
  if (joinsVectors(f)) {
    // The sums go through memory, because the engine joins only vectors that are stored side by side.
    for (const [i, vector] of first.flat().entries()) f.store(room, vector, 16 * i);
    for (const [r, four] of fours.entries())
      f.set(four, f32x4.add(v128.load(room, 32 * r), v128.load(room, 32 * r + 16)));
  }
  const [a, b, c, d] = transpose(f, fours).map((lane) => f.let(lane));
  return f.let(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
}

/** Adds `blockSparseAddSums`, which adds the sums of all shards to dW in order. */
function addAddSums(module: ModuleBuilder): void {
  const parameters = {
    ...integers("sums", "shards", "blocks", "inputs", "starts", "columns"),
    ...integers("dWeight", "first", "end"),
  } as const;
  module.func("blockSparseAddSums", parameters, (f, p) => {
    const { dWeight } = p;
    const stride = f.let(i32.shl(p.inputs, 2));
    const shardBytes = f.let(i32.shl(p.blocks, 4));
    const starts = f.let(i32.add(p.starts, i32.shl(p.first, 2)));
    f.increment(dWeight, i32.mul(p.first, i32.mul(stride, BLOCK_OUTPUTS)));
    const lanes = f.locals("f32", BLOCK_OUTPUTS);
    const rows = i32.sub(p.end, p.first);
    forEachBlockRow(f, { starts, columns: p.columns, values: p.sums }, rows, (row) => {
      forEachBlock(f, row, { unroll: 1 }, ({ column, value }) => {
        const at = f.let(i32.add(dWeight, i32.shl(i32.load(column), 2)));
        const to = lanes.map((_, r) => (r === 0 ? at : f.let(i32.add(at, i32.mul(stride, r)))));
        for (const [r, lane] of lanes.entries()) f.set(lane, f32.load(to[r]));
        const from = f.let(value);
        f.for(0, p.shards, 1, () => {
          for (const [r, lane] of lanes.entries())
            f.set(lane, f32.add(lane, f32.load(from, 4 * r)));
          f.increment(from, shardBytes);
        });
        for (const [r, lane] of lanes.entries()) f.store(to[r], lane);
      });
      f.increment(dWeight, i32.shl(stride, Math.log2(BLOCK_OUTPUTS)));
    });
  });
}

/** Adds a function that transposes `tokens` rows, which are `stride` bytes apart, to [columns][tokens of a tile]. */
function addTransposeTile(module: ModuleBuilder) {
  const parameters = integers("source", "stride", "tokens", "columns", "to");
  return module.internal(parameters, (f, { source, stride, tokens, columns, to }) => {
    f.while(i32.gtS(tokens, 0), () => {
      f.if(
        i32.geS(tokens, GROUP),
        () => transposeGroup(f, source, stride, columns, f.let(to)),
        () => {
          f.for(0, columns, 1, (c) => {
            const from = f.let(i32.add(source, i32.shl(c, 2)));
            const column = f.let(i32.add(to, i32.mul(c, COLUMN_BYTES)));
            f.for(0, GROUP, 1, (t) => {
              const at = f.let(i32.add(column, i32.shl(t, 2)));
              f.store(at, f32.const(0));
              f.if(i32.ltS(t, tokens), () => f.store(at, f32.load(from)));
              f.increment(from, stride);
            });
          });
        },
      );
      f.increment(source, i32.mul(stride, GROUP));
      f.increment(to, 4 * GROUP);
      f.increment(tokens, -GROUP);
    });
  });
}

/**
 * Transposes a group of tokens, one cache line of columns and eight tokens at a time. If tokens are a multiple of 4 KiB
 * apart, their lines share a cache set, which holds only eight lines, so tokens are taken eight at a time.
 */
function transposeGroup(
  f: FunctionBuilder,
  source: Local<"i32">,
  stride: Local<"i32">,
  columns: Local<"i32">,
  to: Local<"i32">,
): void {
  const from = f.let(source);
  const left = f.let(columns);
  const rows = f.locals("i32", GROUP / 2);
  const copy = (width: number, step: number): void => {
    for (let half = 0; half < GROUP; half += rows.length) {
      f.setSteps(rows, half === 0 ? from : i32.add(rows[rows.length - 1], stride), stride);
      for (let c = 0; c < width; c += step)
        for (let t = 0; t < rows.length; t += step) {
          const at = c * COLUMN_BYTES + 4 * (half + t);
          if (step === 1) f.store(to, f32.load(rows[t]), at);
          else {
            const four = rows.slice(t, t + 4).map((row) => f.let(v128.load(row, 4 * c)));
            for (const [i, tokens] of transpose(f, four).entries())
              f.store(to, tokens, at + i * COLUMN_BYTES);
          }
        }
    }
    f.increment(from, 4 * width);
    f.increment(to, width * COLUMN_BYTES);
    f.increment(left, -width);
  };
  f.while(i32.geS(left, LINE), () => copy(LINE, 4));
  f.while(left, () => copy(1, 1));
}
