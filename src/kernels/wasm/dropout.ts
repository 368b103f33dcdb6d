/** Dropout with Philox4x32-10. Four Philox blocks are computed at a time; the draws are those of the scalar kernel. */
import { MULTIPLIER_0, MULTIPLIER_1, PHILOX_ROUNDS, WEYL_0, WEYL_1 } from "../../core/random.ts";
import { DROPOUT_GROUP } from "../table.ts";
import {
  type FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  i64x2,
  integers,
  type Local,
  type ModuleBuilder,
  type V128,
  v128,
} from "./emitter.ts";
import { fullPlace, upToOneVector, type VectorPlace } from "./vector-loop.ts";

type Words = readonly [V128, V128, V128, V128];

/** Multiplies unsigned 32-bit lanes and returns the high and the low 32 bits of the products. */
function multiplyWide(
  f: FunctionBuilder,
  a: V128,
  b: V128,
): { readonly high: V128; readonly low: V128 } {
  const first = f.let(i64x2.extmulLowI32x4U(a, b));
  const second = f.let(i64x2.extmulHighI32x4U(a, b));
  return {
    high: i32x4.shuffle(first, second, [1, 3, 5, 7]),
    low: i32x4.shuffle(first, second, [0, 2, 4, 6]),
  };
}

/** Computes four Philox blocks. Lane i of vector w is word w of block i. */
function philox(
  f: FunctionBuilder,
  counter: Words,
  key: readonly [V128, V128],
): readonly Local<"v128">[] {
  const words = counter.map((word) => f.let(word));
  const [key0, key1] = key.map((word) => f.let(word));
  const multiplier0 = f.let(f.constantI32x4(MULTIPLIER_0));
  const multiplier1 = f.let(f.constantI32x4(MULTIPLIER_1));
  for (let round = 0; round < PHILOX_ROUNDS; round++) {
    const [x0, x1, x2, x3] = words;
    const product0 = multiplyWide(f, x0, multiplier0);
    const product1 = multiplyWide(f, x2, multiplier1);
    f.set(x0, v128.xor(v128.xor(product1.high, x1), key0));
    f.set(x1, product1.low);
    f.set(x2, v128.xor(v128.xor(product0.high, x3), key1));
    f.set(x3, product0.low);
    f.set(key0, i32x4.add(key0, f.constantI32x4(WEYL_0)));
    f.set(key1, i32x4.add(key1, f.constantI32x4(WEYL_1)));
  }
  return words;
}

/**
 * The 16-bit draws for vector `index` (0 to 7) of a group: vectors 0 to 3 use the low halves of the words, 4 to 7 the
 * high halves.
 */
function drawsOf(f: FunctionBuilder, words: readonly V128[], index: number): V128 {
  const word = words[index % 4];
  return index < 4 ? v128.and(word, f.constantI32x4(0xffff)) : i32x4.shrU(word, 16);
}

/** Adds `dropout`. Its parameters give positions as counters of Philox blocks: 4 counters for 32 positions. */
export function addDropout(module: ModuleBuilder): void {
  const parameters = {
    ...integers("x", "y", "rows", "columns", "firstCounter", "counterStride", "threshold"),
    factor: "f32",
    ...integers("seedLow", "seedHigh", "step", "operation", "example"),
  } as const;
  module.func("dropout", parameters, (f, values) => {
    const { x, y, rows, columns, firstCounter, counterStride } = values;
    const key = [f.let(i32x4.splat(values.seedLow)), f.let(i32x4.splat(values.seedHigh))] as const;
    const example = f.let(i32x4.splat(values.example));
    const operation = f.let(i32x4.splat(values.operation));
    const step = f.let(i32x4.splat(values.step));
    // The instruction compares for "greater than", so the threshold is decreased by one.
    const lastDropped = f.let(i32x4.splat(i32.sub(values.threshold, 1)));
    const factor = f.let(f32x4.splat(values.factor));

    const apply = (words: readonly V128[], index: number, place: VectorPlace): void => {
      const kept = i32x4.gtS(drawsOf(f, words, index), lastDropped);
      place.store(y, v128.and(f32x4.mul(place.load(x), factor), kept));
    };
    f.for(0, rows, 1, () => {
      const counter = f.let(firstCounter);
      f.increment(firstCounter, counterStride);
      const left = f.let(columns);
      f.while(i32.gtS(left, 0), () => {
        const counters = i32x4.add(i32x4.splat(counter), f.constantI32x4([0, 1, 2, 3]));
        const words = philox(f, [counters, example, operation, step], key);
        f.if(
          i32.geS(left, DROPOUT_GROUP),
          () => {
            for (let index = 0; index < 8; index++) apply(words, index, fullPlace(f, index));
            advance(f, [x, y], left, DROPOUT_GROUP);
          },
          // Handles the last 1 to 31 floats of a row.
          () =>
            f.block((done) => {
              for (let index = 0; index < 8; index++) {
                upToOneVector(f, left, (place) => apply(words, index, place));
                advance(f, [x, y], left, f.let(i32.minS(left, 4)));
                f.exitIf(done, i32.eqz(left));
              }
            }),
        );
        f.increment(counter, 4);
      });
    });
  });
}

/** Advances the pointers by `count` floats and decreases `left` by `count`. */
function advance(
  f: FunctionBuilder,
  pointers: readonly Local<"i32">[],
  left: Local<"i32">,
  count: Local<"i32"> | number,
): void {
  for (const pointer of pointers) f.increment(pointer, i32.shl(count, 2));
  f.set(left, i32.sub(left, count));
}
