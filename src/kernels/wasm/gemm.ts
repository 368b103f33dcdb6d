/**
 * The blocked matrix product C = op(A) op(B), in which op may transpose. B is packed into panels, block by block. A is
 * read in place, or packed if it is stored transposed. Each entry of C is summed in the order of k, so its bytes do not
 * depend on m and n.
 */
import {
  type FunctionBuilder,
  f32,
  type I32,
  i32,
  integers,
  type Local,
  type ModuleBuilder,
} from "./emitter.ts";
import {
  COLUMN_BLOCK,
  DEPTH_BLOCK,
  EDGE_OFFSET,
  LEFT_OFFSET,
  RIGHT_OFFSET,
  ROW_BLOCK,
  TILE_FLOATS,
} from "./gemm-blocking.ts";
import { addPackColumns, addPackRows, addPackStrided, type Pack } from "./gemm-pack.ts";
import {
  addSweep,
  type LeftLayout,
  SWEEP_PARAMETERS,
  type Sweep,
  TILES,
  type Tile,
} from "./gemm-tile.ts";

/** The parameters of the three products. Strides are in bytes. k is at least one. */
const GEMM_PARAMETERS = {
  ...integers("m", "n", "k", "a", "aStride", "b", "bStride"),
  ...integers("c", "cStride", "accumulate"),
} as const;

export function addGemm(module: ModuleBuilder): void {
  const tile = TILES[module.variant];
  checkBlocking(tile);
  const packStrided = addPackStrided(module, tile.columns);
  const packRows = addPackRows(module, tile.columns, packStrided);
  const packColumns = addPackColumns(module, tile.columns, packStrided);
  const packLeft = addPackRows(module, tile.rows, addPackStrided(module, tile.rows));
  const multiplyInPlace = addMultiplyBlock(module, tile, "in place");
  const multiplyPacked = addMultiplyBlock(module, tile, "packed");
  addProduct(module, "gemm_nn", tile, { packRight: packRows, multiply: multiplyInPlace });
  const ofColumns = { packRight: packColumns, transposed: true, multiply: multiplyInPlace };
  addProduct(module, "gemm_nt", tile, ofColumns);
  addProduct(module, "gemm_tn", tile, { packRight: packRows, packLeft, multiply: multiplyPacked });
}

function checkBlocking({ rows, columns }: Tile): void {
  if (rows * columns > TILE_FLOATS || ROW_BLOCK % rows !== 0 || COLUMN_BLOCK % columns !== 0)
    throw new RangeError(
      `tile: expected a divisor of ${ROW_BLOCK} x ${COLUMN_BLOCK} of at most ${TILE_FLOATS}, got ${rows} x ${columns}`,
    );
}

/** The differences between the products `gemm_nn`, `gemm_nt` and `gemm_tn`. */
interface ProductParts {
  readonly packRight: Pack;
  /** Whether B is stored as [n, k]. */
  readonly transposed?: boolean;
  /** Packs A; given only if A is stored as [k, m]. */
  readonly packLeft?: Pack;
  readonly multiply: ReturnType<typeof addMultiplyBlock>;
}

function addProduct(module: ModuleBuilder, name: string, tile: Tile, parts: ProductParts): void {
  const { packRight, transposed = false, packLeft, multiply } = parts;
  module.func(name, GEMM_PARAMETERS, (f, p) => {
    const left = f.let(i32.add(f.workspace, LEFT_OFFSET));
    const right = f.let(i32.add(f.workspace, RIGHT_OFFSET));
    const edge = f.let(i32.add(f.workspace, EDGE_OFFSET));
    forBlocks(f, p.k, DEPTH_BLOCK, (k0, depth) => {
      const accumulate = f.let(i32.or(p.accumulate, k0));
      forBlocks(f, p.n, COLUMN_BLOCK, (n0, columns) => {
        const [row, column] = transposed ? [n0, k0] : [k0, n0];
        const source = entry(p.b, p.bStride, row, column);
        f.run(packRight, { depth, columns, source, stride: p.bStride, target: right });
        forBlocks(f, p.m, ROW_BLOCK, (m0, rows) => {
          const c = entry(p.c, p.cStride, m0, n0);
          const block = { rows, columns, depth, right, c, cStride: p.cStride, accumulate, edge };
          if (packLeft === undefined) {
            const a = entry(p.a, p.aStride, m0, k0);
            f.run(multiply, { ...block, a, aStride: p.aStride });
          } else {
            const source = entry(p.a, p.aStride, k0, m0);
            f.run(packLeft, { depth, columns: rows, source, stride: p.aStride, target: left });
            f.run(multiply, { ...block, a: left, aStride: i32.mul(depth, tile.rows * 4) });
          }
        });
      });
    });
  });
}

/** Divides 0..total-1 into blocks of at most `size` indices, and runs the body for each block. */
function forBlocks(
  f: FunctionBuilder,
  total: Local<"i32">,
  size: number,
  body: (start: Local<"i32">, length: Local<"i32">) => void,
): void {
  const length = f.local("i32");
  f.for(0, total, size, (start) => {
    f.set(length, i32.minS(i32.sub(total, start), size));
    body(start, length);
  });
}

/** The address of an entry in a row-major matrix. */
function entry(base: I32, stride: I32, row: I32, column: I32): I32 {
  return i32.add(i32.add(base, i32.mul(row, stride)), i32.mul(column, 4));
}

/** Adds a function that multiplies a block of A by packed panels of B (`right`). `edge` points to space for a tile. */
function addMultiplyBlock(module: ModuleBuilder, tile: Tile, layout: LeftLayout) {
  const sweepPanel = addSweepPanel(module, tile, layout);
  const mergeEdge = addMergeEdge(module, tile);
  const parameters = {
    ...integers("rows", "columns", "depth", "a", "aStride", "right"),
    ...integers("c", "cStride", "accumulate", "edge"),
  } as const;
  return module.internal(parameters, (f, p) => {
    const { rows, columns, depth, a, aStride, c, cStride, accumulate, edge } = p;
    f.while(i32.geS(columns, tile.columns), () => {
      f.run(sweepPanel, { rows, depth, a, aStride, panel: p.right, c, cStride, accumulate });
      f.increment(p.right, i32.mul(depth, tile.columns * 4));
      f.increment(c, tile.columns * 4);
      f.increment(columns, -tile.columns);
    });
    f.if(columns, () => {
      const edgeStride = tile.columns * 4;
      f.for(0, rows, tile.rows, (done) => {
        const height = f.let(i32.minS(i32.sub(rows, done), tile.rows));
        const tileOfC = { c: edge, cStride: edgeStride, accumulate: 0 };
        f.run(sweepPanel, { rows: height, depth, a, aStride, panel: p.right, ...tileOfC });
        f.run(mergeEdge, { rows: height, columns, edge, c, cStride, accumulate });
        f.increment(a, layout === "packed" ? aStride : i32.mul(aStride, tile.rows));
        f.increment(c, i32.mul(cStride, tile.rows));
      });
    });
  });
}

/** Adds a {@link Sweep} function for any number of rows: whole tiles, then the remaining rows. */
function addSweepPanel(module: ModuleBuilder, tile: Tile, layout: LeftLayout): Sweep {
  const sweeps = Array.from({ length: tile.rows }, (_, i) => addSweep(module, tile, layout, i + 1));
  const sweepTiles = sweeps[tile.rows - 1];
  return module.internal(SWEEP_PARAMETERS, (f, p) => {
    const rest = f.let(i32.remU(p.rows, tile.rows));
    const whole = f.let(i32.sub(p.rows, rest));
    f.if(whole, () => f.run(sweepTiles, { ...p, rows: whole }));
    f.if(rest, () => {
      const groups = layout === "packed" ? i32.divU(whole, tile.rows) : whole;
      f.increment(p.a, i32.mul(groups, p.aStride));
      f.increment(p.c, i32.mul(whole, p.cStride));
      for (let height = 1; height < tile.rows; height++)
        f.if(i32.eq(rest, height), () => f.run(sweeps[height - 1], { ...p, rows: rest }));
    });
  });
}

/** Adds a function that copies the first columns of a tile to C, or with `accumulate` adds them to C. */
function addMergeEdge(module: ModuleBuilder, tile: Tile) {
  const parameters = integers("rows", "columns", "edge", "c", "cStride", "accumulate");
  return module.internal(parameters, (f, p) => {
    f.for(0, p.rows, 1, () => {
      f.for(0, p.columns, 1, (j) => {
        const bytes = i32.mul(j, 4);
        const target = f.let(i32.add(p.c, bytes));
        const value = f.let(f32.load(i32.add(p.edge, bytes)));
        f.if(p.accumulate, () => f.set(value, f32.add(f32.load(target), value)));
        f.store(target, value);
      });
      f.increment(p.edge, tile.columns * 4);
      f.increment(p.c, p.cStride);
    });
  });
}
