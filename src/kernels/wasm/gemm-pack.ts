/**
 * Packing for the matrix product: copies a block of a factor into panels of a few columns each, in the order in which
 * the inner loop reads the elements. The last panel is padded with zeros.
 */
import {
  type FunctionBuilder,
  type FunctionReference,
  f32,
  i32,
  type Local,
  type ModuleBuilder,
  type Operand,
  v128,
} from "./emitter.ts";
import { transpose } from "./lanes.ts";

const PACK_PARAMETERS = {
  depth: "i32",
  columns: "i32",
  source: "i32",
  /** Bytes between consecutive rows of the source. */
  stride: "i32",
  target: "i32",
} as const;

/** A function that packs a block of a factor: `columns` columns along `depth` steps of the reduction. */
export type Pack = FunctionReference<typeof PACK_PARAMETERS>;

const PACK_STRIDED_PARAMETERS = {
  depth: "i32",
  /** The number of columns to read. The other columns of the panel become zero. */
  columns: "i32",
  source: "i32",
  /** Bytes between consecutive steps of the reduction; `columnStride`: bytes between consecutive columns. */
  stepStride: "i32",
  columnStride: "i32",
  target: "i32",
} as const;

type PackStrided = FunctionReference<typeof PACK_STRIDED_PARAMETERS>;

/** Adds a {@link Pack} function for a factor stored as [depth, columns]. Its panels have `width` columns. */
export function addPackRows(module: ModuleBuilder, width: number, packStrided: PackStrided): Pack {
  return module.internal(PACK_PARAMETERS, (f, p) => {
    const { depth, columns, source, stride, target } = p;
    f.while(i32.geS(columns, width), () => {
      const row = f.let(source);
      const remaining = f.let(depth);
      f.doWhile(remaining, () => {
        copyFloats(f, row, target, width);
        f.increment(row, stride);
        f.increment(target, width * 4);
        f.increment(remaining, -1);
      });
      f.increment(source, width * 4);
      f.increment(columns, -width);
    });
    f.if(columns, () => {
      f.run(packStrided, { depth, columns, source, stepStride: stride, columnStride: 4, target });
    });
  });
}

/**
 * Adds a {@link Pack} function for a factor stored as [columns, depth]. Its panels have `width` columns, a multiple of
 * 4.
 */
export function addPackColumns(
  module: ModuleBuilder,
  width: number,
  packStrided: PackStrided,
): Pack {
  return module.internal(PACK_PARAMETERS, (f, p) => {
    const { depth, columns, source, stride, target } = p;
    const even = f.let(i32.and(depth, -4));
    const strides = { stepStride: 4, columnStride: stride };
    f.while(i32.geS(columns, width), () => {
      const next = f.let(i32.add(source, i32.mul(stride, width)));
      transposePanel(f, width, even, source, stride, target);
      f.if(i32.ne(even, depth), () => {
        const rest = i32.sub(depth, even);
        const from = i32.add(source, i32.mul(even, 4));
        f.run(packStrided, { depth: rest, columns: width, source: from, ...strides, target });
        f.increment(target, i32.mul(rest, width * 4));
      });
      f.set(source, next);
      f.increment(columns, -width);
    });
    f.if(columns, () => f.run(packStrided, { depth, columns, source, ...strides, target }));
  });
}

function copyFloats(
  f: FunctionBuilder,
  source: Local<"i32">,
  target: Local<"i32">,
  count: number,
): void {
  let done = 0;
  for (; done + 4 <= count; done += 4) f.store(target, v128.load(source, done * 4), done * 4);
  for (; done < count; done++) f.store(target, f32.load(source, done * 4), done * 4);
}

/**
 * Packs `depth` steps of the reduction (a multiple of 4) of `width` columns in blocks of 4 x 4, and advances `target`.
 */
function transposePanel(
  f: FunctionBuilder,
  width: number,
  depth: Operand<"i32">,
  source: Local<"i32">,
  stride: Local<"i32">,
  target: Local<"i32">,
): void {
  const columns = f.locals("i32", width);
  f.setSteps(columns, source, stride);
  f.for(0, depth, 4, () => {
    for (let j = 0; j < width; j += 4) {
      const four = columns.slice(j, j + 4).map((column) => f.let(v128.load(column)));
      for (const [step, lanes] of transpose(f, four).entries())
        f.store(target, lanes, (step * width + j) * 4);
    }
    for (const column of columns) f.increment(column, 16);
    f.increment(target, width * 16);
  });
}

/** Adds a function that packs one panel of `width` columns from any layout, element by element. */
export function addPackStrided(module: ModuleBuilder, width: number): PackStrided {
  return module.internal(PACK_STRIDED_PARAMETERS, (f, p) => {
    f.for(0, p.depth, 1, () => {
      const element = f.let(p.source);
      f.for(0, width, 1, (j) => {
        f.store(p.target, f32.const(0));
        f.if(i32.ltS(j, p.columns), () => {
          f.store(p.target, f32.load(element));
          f.increment(element, p.columnStride);
        });
        f.increment(p.target, 4);
      });
      f.increment(p.source, p.stepStride);
    });
  });
}
