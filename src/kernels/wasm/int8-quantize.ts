/** Rounds rows of activations to bytes (see `Int8Kernels`), and looks up rows of 8-bit tables. */
import { INT8_REST, LARGEST_ACTIVATION, LEAST_RANGE } from "../int8.ts";
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
  v128,
} from "./emitter.ts";
import { maxOfLanes } from "./lanes.ts";
import { forEachVector } from "./vector-loop.ts";

export function addInt8Quantize(module: ModuleBuilder): void {
  const parameters = integers("x", "bytes", "scales", "zeros", "rows", "inputs");
  module.func("int8Quantize", parameters, (f, p) => {
    f.for(0, p.rows, 1, () => {
      const zero = quantizeRow(f, p.x, p.bytes, p.scales, p.inputs);
      f.store(p.zeros, zero);
      f.increment(p.x, i32.shl(p.inputs, 2));
      f.increment(p.scales, 4);
      f.increment(p.zeros, 4);
    });
  });
  addGatherRows(module, "int8GatherRows", false);
  addGatherRows(module, "int8GatherAddRows", true);
}

/** The number of elements in a step: as many as there are bytes in a vector. */
const STEP = 16;
/** Adding it to a float32 number of small magnitude rounds to an integer, ties to even. */
const ROUND = 1.5 * 2 ** 23;
const ROUND_BITS = 0x4b400000;

/** Emits code for one row. Advances `bytes`. Returns the zero point. */
function quantizeRow(
  f: FunctionBuilder,
  x: Local<"i32">,
  bytes: Local<"i32">,
  scales: Local<"i32">,
  inputs: Local<"i32">,
): Local<"i32"> {
  const [low, high, unusual] = f.locals("v128", 3);
  for (const vector of [low, high, unusual]) f.set(vector, v128.zero);
  copyRest(f, x, inputs);
  forEachStep(f, x, inputs, (at) => {
    for (let i = 0; i < STEP; i += 4) {
      const four = f.let(v128.load(at, 4 * i));
      f.set(low, f32x4.pmin(low, four));
      f.set(high, f32x4.pmax(high, four));
      // x - x is +0, or NaN if x is not finite.
      f.set(unusual, v128.or(unusual, f32x4.sub(four, four)));
    }
  });
  const least = f.let(f32.neg(f32x4.extractLane(maxOfLanes(f, f32x4.neg(low)), 0)));
  const range = f.let(f32.sub(f32x4.extractLane(maxOfLanes(f, high), 0), least));
  const [ratio, scale, rounded] = f.locals("f32", 3);
  f.set(rounded, f32.const(ROUND));
  f.if(
    // A comparison with an infinite or NaN difference is false.
    i32.or(v128.anyTrue(unusual), f32.ne(f32.sub(range, range), f32.const(0))),
    () => {
      f.set(ratio, f32.const(0));
      f.set(scale, f32.const(Number.NaN));
    },
    () => {
      f.set(ratio, f32.const(0));
      f.set(scale, f32.const(0));
      f.if(f32.ge(range, f32.const(LEAST_RANGE)), () => {
        f.set(ratio, f32.div(f32.const(LARGEST_ACTIVATION), range));
        f.set(scale, f32.div(range, f32.const(LARGEST_ACTIVATION)));
        f.set(rounded, f32.add(f32.mul(f32.neg(least), ratio), f32.const(ROUND)));
      });
    },
  );
  f.store(scales, scale);
  roundRow(f, x, bytes, inputs, { ratio, rounded });
  return f.let(i32.sub(i32.reinterpretF32(rounded), ROUND_BITS));
}

/** Writes the bytes of a row. `rounded` is the zero point plus {@link ROUND}. */
function roundRow(
  f: FunctionBuilder,
  x: Local<"i32">,
  bytes: Local<"i32">,
  inputs: Local<"i32">,
  { ratio, rounded }: Readonly<Record<"ratio" | "rounded", Local<"f32">>>,
): void {
  const factor = f.let(f32x4.splat(ratio));
  const shift = f.let(f32x4.splat(rounded));
  const base = f.let(f.constantI32x4(ROUND_BITS));
  // If the row is not finite, 0 * x may be NaN.
  const isUsed = f.let(i32x4.splat(i32.sub(0, f32.ne(ratio, f32.const(0)))));
  forEachStep(f, x, inputs, (at) => {
    const fours = [0, 1, 2, 3].map((i) => {
      const four = f32x4.add(f32x4.mul(v128.load(at, 16 * i), factor), shift);
      return f.let(v128.and(i32x4.sub(four, base), isUsed));
    });
    const [low, high] = [0, 2].map((i) => i16x8.narrowI32x4S(fours[i], fours[i + 1]));
    f.store(bytes, i8x16.narrowI16x8S(low, high));
    f.increment(bytes, STEP);
  });
}

/** Copies the elements after the last whole step to the working space, followed by zeros. */
function copyRest(f: FunctionBuilder, x: Local<"i32">, inputs: Local<"i32">): void {
  const whole = f.let(i32.and(inputs, -STEP));
  f.if(i32.ne(whole, inputs), () => {
    const rest = f.let(i32.add(f.workspace, INT8_REST));
    for (let i = 0; i < STEP; i += 4) f.store(rest, v128.zero, 4 * i);
    f.for(whole, inputs, 1, (i) => {
      f.store(rest, f32.load(i32.add(x, i32.shl(i, 2))));
      f.increment(rest, 4);
    });
  });
}

/** Runs `step` with the address of every 16 elements of a row. The last ones may be in the working space. */
function forEachStep(
  f: FunctionBuilder,
  x: Local<"i32">,
  inputs: Local<"i32">,
  step: (at: Local<"i32">) => void,
): void {
  const at = f.let(x);
  const left = f.let(inputs);
  f.while(i32.gtS(left, 0), () => {
    f.if(i32.ltS(left, STEP), () => f.set(at, i32.add(f.workspace, INT8_REST)));
    step(at);
    f.increment(at, 4 * STEP);
    f.increment(left, -STEP);
  });
}

/** The number of bytes in a row of a table. */
function paddedBytes(width: I32): I32 {
  return i32.and(i32.add(width, STEP - 1), -STEP);
}

function addGatherRows(module: ModuleBuilder, name: string, accumulates: boolean): void {
  const parameters = integers("table", "scales", "ids", "out", "rows", "width");
  module.func(name, parameters, (f, { table, scales, ids, out, rows, width }) => {
    const stride = f.let(paddedBytes(width));
    f.for(0, rows, 1, () => {
      const bytes = f.let(i32.add(table, i32.mul(i32.load(ids), stride)));
      const scale = f.let(v128.load32Splat(i32.add(scales, i32.shl(i32.load(ids), 2))));
      f.increment(ids, 4);
      forEachVector(f, width, [out], (places) => {
        for (const [i, place] of places.entries()) {
          const wide = i32x4.extendLowI16x8S(i16x8.extendLowI8x16S(v128.load32Zero(bytes, 4 * i)));
          const four = f32x4.mul(f32x4.convertI32x4S(wide), scale);
          place.store(out, accumulates ? f32x4.add(place.load(out), four) : four);
        }
        f.increment(bytes, 4 * places.length);
      });
    });
  });
}
