/**
 * The inner loop of the matrix product. A tile of C, `rows` x `columns`, stays in registers during the reduction. The
 * right factor is packed in panels of `columns` columns. The left factor is read in place, or packed in panels of
 * `rows` rows.
 */
import {
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  type I32,
  i32,
  type Label,
  type Local,
  type ModuleBuilder,
  v128,
  type WasmVariant,
} from "./emitter.ts";

/** The size of a tile, and the form of its loop. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly unroll: number;
  /** The number of rows between two {@link barrier}s, or null for a loop without barriers and early exits. */
  readonly rowsPerBarrier: number | null;
}

/** The tile of each variant. It fits into 16 vector registers, which are twice as wide if the engine joins vectors. */
export const TILES: Readonly<Record<WasmVariant, Tile>> = {
  simd: { rows: 4, columns: 8, unroll: 8, rowsPerBarrier: 2 },
  fma: { rows: 6, columns: 8, unroll: 4, rowsPerBarrier: 1 },
  revectorized: { rows: 5, columns: 16, unroll: 4, rowsPerBarrier: null },
};

export type LeftLayout = "in place" | "packed";

export const SWEEP_PARAMETERS = {
  /** The number of rows, a multiple of the function's `height`. */
  rows: "i32",
  /** The number of steps of the reduction, at least one. */
  depth: "i32",
  a: "i32",
  /** Bytes between consecutive rows (in place) or consecutive panels (packed) of A. */
  aStride: "i32",
  panel: "i32",
  c: "i32",
  cStride: "i32",
  accumulate: "i32",
} as const;

/** A function that computes `rows` rows of C in the columns of one panel. */
export type Sweep = FunctionReference<typeof SWEEP_PARAMETERS>;

/**
 * Adds a {@link Sweep} function that computes `height` rows at a time. `height` is at most the number of rows in a
 * tile.
 */
export function addSweep(
  module: ModuleBuilder,
  tile: Tile,
  layout: LeftLayout,
  height: number,
): Sweep {
  return module.internal(SWEEP_PARAMETERS, (f, p) => {
    const registers = declareRegisters(f, tile, layout, height);
    const { sums, leftPointers, rightPointer, remaining } = registers;
    f.doWhile(i32.gtS(p.rows, 0), () => {
      f.set(remaining, p.depth);
      f.set(rightPointer, p.panel);
      f.setSteps(leftPointers, p.a, p.aStride);
      for (const sum of sums.flat()) f.set(sum, v128.zero);
      reduce(f, tile, layout, registers);
      storeTile(f, sums, p.c, p.cStride, p.accumulate);
      f.increment(p.a, layout === "packed" ? p.aStride : i32.mul(p.aStride, height));
      f.increment(p.c, i32.mul(p.cStride, height));
      f.increment(p.rows, -height);
    });
  });
}

type Registers = ReturnType<typeof declareRegisters>;

function declareRegisters(f: FunctionBuilder, tile: Tile, layout: LeftLayout, height: number) {
  const vectors = tile.columns / 4;
  return {
    sums: Array.from({ length: height }, () => f.locals("v128", vectors)),
    right: f.locals("v128", vectors),
    left: f.local("v128"),
    // One pointer for each row if the left factor is read in place, else one for the panel.
    leftPointers: f.locals("i32", layout === "packed" ? 1 : height),
    rightPointer: f.local("i32"),
    remaining: f.local("i32"),
  };
}

/** Emits the loop over the steps of the reduction, with `unroll` steps in each iteration. */
function reduce(f: FunctionBuilder, tile: Tile, layout: LeftLayout, registers: Registers): void {
  const { leftPointers, rightPointer, remaining } = registers;
  const { unroll, rowsPerBarrier } = tile;
  const bytesPerStep = layout === "packed" ? tile.rows * 4 : 4;
  const advance = (steps: number): void => {
    for (const pointer of leftPointers) f.increment(pointer, bytesPerStep * steps);
    f.increment(rightPointer, tile.columns * 4 * steps);
    f.increment(remaining, -steps);
  };
  if (rowsPerBarrier === null) {
    for (const steps of [unroll, 1])
      f.while(i32.geS(remaining, steps), () => {
        for (let step = 0; step < steps; step++) multiplyStep(f, tile, layout, registers, step);
        advance(steps);
      });
    return;
  }
  // An unrolled iteration may exit after any step.
  f.block((done) => {
    f.doWhile(i32.gtS(remaining, 0), () => {
      for (let step = 0; step < unroll; step++) {
        multiplyStep(f, tile, layout, registers, step, (row) => {
          if (row % rowsPerBarrier === 0) barrier(f, done, remaining, step * tile.rows + row);
        });
        if (step < unroll - 1) f.exitIf(done, i32.ltS(remaining, step + 2));
      }
      advance(unroll);
    });
  });
}

/**
 * Emits one step of the reduction: adds left[row] * right[column] to the sum for each row and column. `between` emits
 * code between two rows.
 */
function multiplyStep(
  f: FunctionBuilder,
  tile: Tile,
  layout: LeftLayout,
  registers: Registers,
  step: number,
  between: (row: number) => void = () => undefined,
): void {
  const { sums, right, left, leftPointers, rightPointer } = registers;
  for (const [v, vector] of right.entries())
    f.set(vector, v128.load(rightPointer, step * tile.columns * 4 + v * 16));
  for (const [row, rowSums] of sums.entries()) {
    const element =
      layout === "packed"
        ? v128.load32Splat(leftPointers[0], (step * tile.rows + row) * 4)
        : v128.load32Splat(leftPointers[row], step * 4);
    f.set(left, element);
    for (const [v, sum] of rowSums.entries()) f.set(sum, f.madd(left, right[v], sum));
    if (row + 1 < sums.length) between(row + 1);
  }
}

/**
 * Ends a basic block with a branch that is never taken. V8 (Node 20 and 22) moves all loads in a basic block to its
 * start; without barriers, an unrolled loop would run out of registers. Different values of `id` keep V8 from merging
 * branches.
 */
export function barrier(f: FunctionBuilder, done: Label, remaining: I32, id: number): void {
  f.exitIf(done, i32.ltS(remaining, -id));
}

function storeTile(
  f: FunctionBuilder,
  sums: Registers["sums"],
  c: Local<"i32">,
  cStride: Local<"i32">,
  accumulate: Local<"i32">,
): void {
  const row = f.let(c);
  const storeRows = (add: boolean): void => {
    for (const rowSums of sums) {
      for (const [v, sum] of rowSums.entries())
        f.store(row, add ? f32x4.add(v128.load(row, v * 16), sum) : sum, v * 16);
      f.increment(row, cStride);
    }
  };
  f.if(
    accumulate,
    () => storeRows(true),
    () => storeRows(false),
  );
}
