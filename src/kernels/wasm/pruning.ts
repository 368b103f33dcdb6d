/**
 * The pruning loops as WASM functions. Their results are bit-identical to those of the JavaScript loops: no fused
 * multiply-add, and additions in the same order.
 */
import {
  type FunctionBuilder,
  f32,
  f32x4,
  type I32,
  i8x16,
  i16x8,
  i32,
  i32x4,
  integers,
  type Local,
  type ModuleBuilder,
  type V128,
  v128,
} from "./emitter.ts";
import { forEachPlace, forEachVector, type VectorPlace } from "./vector-loop.ts";

export function addPruning(module: ModuleBuilder): void {
  blockScores(module, "blockMagnitudes", (place, values) => f32x4.abs(place.load(values)));
  blockScores(module, "blockProducts", (place, values, factors) =>
    f32x4.abs(f32x4.mul(place.load(values), place.load(factors))),
  );
  countLeadingBits(module);
  countTrailingBits(module);
  countBelow(module);
  writeMask(module);
  applyMask(module);
  countZeroBlocks(module);
}

const MAX_HEIGHT = 4;

/**
 * Adds a function that updates the scores of `rows` rows of blocks. Its branches depend only on arguments, so the
 * processor predicts them well.
 */
function blockScores(
  module: ModuleBuilder,
  name: string,
  elementScores: (place: VectorPlace, values: Local<"i32">, factors: Local<"i32">) => V128,
): void {
  const parameters = {
    ...integers("values", "factors", "rows", "height", "columns"),
    divisor: "f32",
    momentum: "f32",
    scores: "i32",
  } as const;
  module.func(name, parameters, (f, { values, factors, rows, height, columns, ...rest }) => {
    const { divisor, momentum, scores } = rest;
    const stride = f.let(i32.shl(columns, 2));
    const divisors = f.let(f32x4.splat(divisor));
    const momenta = f.let(f32x4.splat(momentum));
    const hasMomentum = f.let(f32.ne(momentum, 0));
    const below = Array.from({ length: MAX_HEIGHT - 1 }, () => [f.local("i32"), f.local("i32")]);
    const skipped = f.let(i32.mul(i32.sub(height, 1), stride));
    f.for(0, rows, 1, () => {
      let above = [values, factors];
      for (const pointers of below) {
        for (const [i, pointer] of pointers.entries()) f.set(pointer, i32.add(above[i], stride));
        above = pointers;
      }
      forEachVector(f, columns, [values, factors, ...below.flat(), scores], (places) => {
        const sums = places.map((place) => f.let(elementScores(place, values, factors)));
        addRows(f, sums, height, 1, (place, row) =>
          elementScores(places[place], below[row - 1][0], below[row - 1][1]),
        );
        for (const sum of sums) f.set(sum, f32x4.div(sum, divisors));
        f.if(hasMomentum, () => {
          for (const [i, place] of places.entries())
            f.set(sums[i], f32x4.add(f32x4.mul(place.load(scores), momenta), sums[i]));
        });
        for (const [i, place] of places.entries()) place.store(scores, sums[i]);
      });
      f.increment(values, skipped);
      f.increment(factors, skipped);
    });
  });
}

/** Adds the scores of a block's elements, from row `row` of the block downwards, to `sums`. */
function addRows(
  f: FunctionBuilder,
  sums: readonly Local<"v128">[],
  height: I32,
  row: number,
  elements: (place: number, row: number) => V128,
): void {
  if (row === MAX_HEIGHT) return;
  f.if(i32.gtS(height, row), () => {
    for (const [place, sum] of sums.entries()) f.set(sum, f32x4.add(sum, elements(place, row)));
    addRows(f, sums, height, row + 1, elements);
  });
}

/** Emits code for `histogram[index]++`. */
function countIn(f: FunctionBuilder, histogram: I32, index: I32): void {
  const bucket = f.let(i32.add(histogram, i32.shl(index, 2)));
  f.store(bucket, i32.add(i32.load(bucket), 1));
}

function countLeadingBits(module: ModuleBuilder): void {
  const parameters = integers("scores", "count", "histogram");
  module.func("countLeadingBits", parameters, (f, { scores, count, histogram }) => {
    const end = f.let(i32.add(scores, i32.shl(count, 2)));
    const whole = f.let(i32.sub(end, 12));
    f.while(i32.ltU(scores, whole), () => {
      for (let i = 0; i < 4; i++) countIn(f, histogram, i32.shrU(i32.load(scores, 4 * i), 16));
      f.increment(scores, 16);
    });
    f.while(i32.ltU(scores, end), () => {
      countIn(f, histogram, i32.shrU(i32.load(scores), 16));
      f.increment(scores, 4);
    });
  });
}

/** Adds `countTrailingBits`. Few scores have the given leading bits, so most groups of four vectors are skipped. */
function countTrailingBits(module: ModuleBuilder): void {
  const parameters = integers("scores", "count", "leading", "histogram");
  module.func("countTrailingBits", parameters, (f, { scores, count, leading, histogram }) => {
    const end = f.let(i32.add(scores, i32.shl(count, 2)));
    const whole = f.let(i32.sub(end, 60));
    const sought = f.let(i32x4.splat(leading));
    const countOne = (offset: number): void => {
      const word = f.let(i32.load(scores, offset));
      f.if(i32.eq(i32.shrU(word, 16), leading), () => countIn(f, histogram, i32.and(word, 0xffff)));
    };
    f.while(i32.ltU(scores, whole), () => {
      const matches = [0, 16, 32, 48]
        .map((offset) => i32x4.eq(i32x4.shrU(v128.load(scores, offset), 16), sought))
        .reduce((all, one) => v128.or(all, one));
      f.if(v128.anyTrue(matches), () => {
        for (let i = 0; i < 16; i++) countOne(4 * i);
      });
      f.increment(scores, 64);
    });
    f.while(i32.ltU(scores, end), () => {
      countOne(0);
      f.increment(scores, 4);
    });
  });
}

/**
 * Returns a mask with all bits set in the lanes whose score is below the threshold or, if all bits of `inclusive` are
 * set, equal to it.
 */
function isPruned(scores: V128, threshold: V128, inclusive: V128): V128 {
  const equal = v128.and(f32x4.eq(scores, threshold), inclusive);
  return v128.or(f32x4.lt(scores, threshold), equal);
}

function countBelow(module: ModuleBuilder): void {
  const parameters = {
    ...integers("scores", "count"),
    threshold: "f32",
    inclusive: "i32",
  } as const;
  module.func("countBelow", parameters, (f, { scores, count, threshold, inclusive }) => {
    const thresholds = f.let(f32x4.splat(threshold));
    const inclusives = f.let(i32x4.splat(i32.sub(0, inclusive)));
    const sum = f.let(v128.zero);
    forEachPlace(f, count, [scores], (place) => {
      const pruned = isPruned(place.load(scores), thresholds, inclusives);
      f.set(sum, i32x4.sub(sum, place.zeroRest(pruned)));
    });
    return [1, 2, 3].reduce(
      (total, lane) => i32.add(total, i32x4.extractLane(sum, lane)),
      i32x4.extractLane(sum, 0),
    );
  });
}

/** Adds `writeMask`, which computes the mask of 16 blocks at a time and writes it to all rows of these blocks. */
function writeMask(module: ModuleBuilder): void {
  const parameters = {
    scores: "i32",
    threshold: "f32",
    ...integers("inclusive", "rows", "height", "columns", "mask"),
  } as const;
  module.func("writeMask", parameters, (f, values) => {
    const { scores, threshold, inclusive, rows, height, columns, mask } = values;
    const thresholds = f.let(f32x4.splat(threshold));
    const inclusives = f.let(i32x4.splat(i32.sub(0, inclusive)));
    const one = f.let(i8x16.splat(1));
    const below = f.let(i32.mul(height, columns));
    f.for(0, rows, 1, () => {
      const left = f.let(columns);
      const at = f.let(mask);
      const to = f.local("i32");
      const last = f.let(i32.add(mask, below));
      const forEachOfBlock = (body: () => void): void => {
        f.set(to, at);
        f.doWhile(i32.ltU(to, last), () => {
          body();
          f.increment(to, columns);
        });
      };
      f.while(i32.geS(left, 16), () => {
        const [a, b, c, d] = [0, 16, 32, 48].map((offset) =>
          f.let(isPruned(v128.load(scores, offset), thresholds, inclusives)),
        );
        const pruned = i8x16.narrowI16x8S(i16x8.narrowI32x4S(a, b), i16x8.narrowI32x4S(c, d));
        const kept = f.let(v128.andnot(one, pruned));
        forEachOfBlock(() => f.store(to, kept));
        f.increment(scores, 64);
        f.increment(at, 16);
        f.increment(left, -16);
      });
      f.while(left, () => {
        const score = f.let(f32.load(scores));
        const tied = i32.and(f32.eq(score, threshold), inclusive);
        const kept = f.let(i32.eqz(i32.or(f32.lt(score, threshold), tied)));
        forEachOfBlock(() => f.store8(to, kept));
        f.increment(scores, 4);
        f.increment(at, 1);
        f.increment(left, -1);
      });
      f.increment(mask, below);
    });
  });
}

/** Adds `applyMask`, which works on four blocks at a time and writes only vectors that contain pruned values. */
function applyMask(module: ModuleBuilder): void {
  const parameters = integers("mask", "rows", "height", "columns", "values");
  module.func("applyMask", parameters, (f, { mask, rows, height, columns, values }) => {
    const stride = f.let(i32.shl(columns, 2));
    const below = f.let(i32.mul(height, columns));
    const size = f.let(i32.shl(below, 2));
    f.for(0, rows, 1, () => {
      const left = f.let(columns);
      const at = f.let(mask);
      const top = f.let(values);
      const to = f.local("i32");
      const end = f.local("i32");
      const forEachOfBlock = (body: () => void): void => {
        f.set(to, top);
        f.set(end, i32.add(top, size)); // compared only for equality, because it may wrap to 0
        f.doWhile(i32.ne(to, end), () => {
          body();
          f.increment(to, stride);
        });
      };
      f.while(i32.geS(left, 4), () => {
        const bytes = f.let(i32.load(at));
        f.if(i32.ne(bytes, 0x01010101), () => {
          const kept = i32x4.extendLowI16x8U(i16x8.extendLowI8x16U(i32x4.splat(bytes)));
          const lanes = f.let(i32x4.neg(kept));
          forEachOfBlock(() => f.store(to, v128.and(v128.load(to), lanes)));
        });
        f.increment(at, 4);
        f.increment(top, 16);
        f.increment(left, -4);
      });
      f.while(left, () => {
        f.if(i32.eqz(i32.load8U(at)), () => forEachOfBlock(() => f.store(to, i32.const(0))));
        f.increment(at, 1);
        f.increment(top, 4);
        f.increment(left, -1);
      });
      f.increment(mask, below);
      f.increment(values, size);
    });
  });
}

/**
 * Adds `countZeroBlocks`, which counts the blocks whose words are all zero after a shift to the left. A shift by 1 drops
 * the sign.
 */
function countZeroBlocks(module: ModuleBuilder): void {
  const parameters = integers("values", "rows", "height", "columns", "shift");
  module.func("countZeroBlocks", parameters, (f, { values, rows, height, columns, shift }) => {
    const stride = f.let(i32.shl(columns, 2));
    const size = f.let(i32.mul(height, stride));
    const skipped = f.let(i32.sub(size, stride));
    const sum = f.let(v128.zero);
    const from = f.local("i32");
    const end = f.local("i32");
    f.for(0, rows, 1, () => {
      forEachPlace(f, columns, [values], (place) => {
        const any = f.let(place.load(values));
        f.set(from, i32.add(values, stride));
        f.set(end, i32.add(values, size)); // compared only for equality, because it may wrap to 0
        f.while(i32.ne(from, end), () => {
          f.set(any, v128.or(any, place.load(from)));
          f.increment(from, stride);
        });
        const isZero = i32x4.eq(i32x4.shl(any, shift), v128.zero);
        f.set(sum, i32x4.sub(sum, place.zeroRest(isZero)));
      });
      f.increment(values, skipped);
    });
    return [1, 2, 3].reduce(
      (total, lane) => i32.add(total, i32x4.extractLane(sum, lane)),
      i32x4.extractLane(sum, 0),
    );
  });
}
