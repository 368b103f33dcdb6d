/**
 * Loops over consecutive floats: first pairs of vectors, then at most a single vector, then the last one to three
 * floats.
 */
import {
  type FunctionBuilder,
  type I32,
  i32,
  i32x4,
  type Local,
  type V128,
  v128,
} from "./emitter.ts";

/**
 * The position of a vector in a loop over floats. At the last position, only the first one to three lanes may exist.
 */
export interface VectorPlace {
  /** Loads the floats at the pointer. Lanes that do not exist become 0. */
  load(pointer: I32): V128;
  /** Stores the lanes that exist. */
  store(pointer: I32, value: V128): void;
  /** Sets lanes that do not exist to 0. */
  zeroRest(value: V128): V128;
  /** Replaces lanes that do not exist with the lanes of `filling`. */
  fillRest(value: V128, filling: V128): V128;
}

/** The place of a full vector, `index` vectors after the pointer. */
export function fullPlace(f: FunctionBuilder, index: number): VectorPlace {
  return {
    load: (pointer) => v128.load(pointer, 16 * index),
    store: (pointer, value) => f.store(pointer, value, 16 * index),
    zeroRest: (value) => value,
    fillRest: (value) => value,
  };
}

/** The place of a vector at the pointer that has only `count` floats (1 to 3). */
function partialPlace(f: FunctionBuilder, count: I32): VectorPlace {
  const atLeastTwo = i32.and(count, 2);
  const odd = i32.and(count, 1);
  const exists = f.let(i32x4.ltS(f.constantI32x4([0, 1, 2, 3]), i32x4.splat(count)));
  return {
    load: (pointer) => {
      const value = f.local("v128");
      f.if(
        atLeastTwo,
        () => {
          f.set(value, v128.load64Zero(pointer));
          f.if(odd, () => f.set(value, v128.load32Lane(pointer, value, 2, 8)));
        },
        () => f.set(value, v128.load32Zero(pointer)),
      );
      return value;
    },
    store: (pointer, value) => {
      const kept = f.let(value);
      f.if(
        atLeastTwo,
        () => {
          f.store64Lane(pointer, kept, 0);
          f.if(odd, () => f.store32Lane(pointer, kept, 2, 8));
        },
        () => f.store32Lane(pointer, kept, 0),
      );
    },
    zeroRest: (value) => v128.and(value, exists),
    fillRest: (value, filling) => v128.bitselect(value, filling, exists),
  };
}

/**
 * Runs `step` for `count` floats and advances the pointers. Each step gets one or two places. With two, it can
 * interleave two independent chains of instructions and share their constants.
 */
export function forEachVector(
  f: FunctionBuilder,
  count: I32,
  pointers: readonly Local<"i32">[],
  step: (places: readonly VectorPlace[]) => void,
): void {
  const left = f.let(count);
  const run = (vectors: number): void => {
    step(Array.from({ length: vectors }, (_, index) => fullPlace(f, index)));
    for (const pointer of pointers) f.increment(pointer, 16 * vectors);
    f.increment(left, -4 * vectors);
  };
  f.while(i32.geS(left, 8), () => run(2));
  f.if(i32.geS(left, 4), () => run(1));
  f.if(left, () => {
    step([partialPlace(f, left)]);
    for (const pointer of pointers) f.increment(pointer, i32.shl(left, 2));
  });
}

/**
 * Like {@link forEachVector}, but runs `step` for one place at a time. `index` is the number of the place in its pair,
 * 0 or 1.
 */
export function forEachPlace(
  f: FunctionBuilder,
  count: I32,
  pointers: readonly Local<"i32">[],
  step: (place: VectorPlace, index: number) => void,
): void {
  forEachVector(f, count, pointers, (places) => places.forEach(step));
}

/** Runs `step` for the next four floats, or for `left` floats if fewer than four are left. */
export function upToOneVector(
  f: FunctionBuilder,
  left: I32,
  step: (place: VectorPlace) => void,
): void {
  f.if(
    i32.geS(left, 4),
    () => step(fullPlace(f, 0)),
    () => step(partialPlace(f, left)),
  );
}
