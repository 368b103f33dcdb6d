/**
 * Softmax of attention scores. Scaling, hiding of keys and normalisation share one function, so that a row stays in the
 * cache.
 */
import {
  type FunctionBuilder,
  f32,
  f32x4,
  integers,
  type Local,
  type ModuleBuilder,
  type V128,
  v128,
} from "./emitter.ts";
import {
  each,
  exponential,
  maxOfLanes,
  SMALLEST_EXPONENT,
  sumOfLanes,
  type Vectors,
} from "./lanes.ts";
import { forEachPlace, forEachVector } from "./vector-loop.ts";

export function addSoftmax(module: ModuleBuilder): void {
  addForward(module);
  addBackward(module);
}

/** Adds the forward pass for the rows (heads x positions) of one example, which all have the same key biases. */
function addForward(module: ModuleBuilder): void {
  const parameters = {
    ...integers("scores", "keyBias"),
    scale: "f32",
    ...integers("probabilities", "rows", "columns"),
  } as const;
  module.func("attentionSoftmaxForward", parameters, (f, row) => {
    const { scale, probabilities, rows, columns } = row;
    const factor = f.let(f32x4.splat(scale));
    f.for(0, rows, 1, () => {
      const start = f.let(probabilities);
      const max = storeLogits(f, row, factor);
      const sum = storeExponentials(f, f.let(start), columns, max);
      const inverse = f.let(f32x4.splat(f32.div(1, sum)));
      forEachPlace(f, columns, [start], (place) =>
        place.store(start, f32x4.mul(place.load(start), inverse)),
      );
    });
  });
}

/**
 * Writes the logits of a row, scores * factor + keyBias, to `probabilities`, and advances `scores` and `probabilities`
 * to the next row. Returns the largest logit, in every lane.
 */
function storeLogits(
  f: FunctionBuilder,
  row: Readonly<Record<"scores" | "keyBias" | "probabilities" | "columns", Local<"i32">>>,
  factor: Local<"v128">,
): Local<"v128"> {
  const { scores, keyBias, probabilities: out, columns } = row;
  const lowest = f.let(f32x4.splat(-Infinity));
  const maxima = [f.let(lowest), f.let(lowest)];
  const biasAt = f.let(keyBias);
  forEachPlace(f, columns, [scores, biasAt, out], (place, i) => {
    const logit = f.let(f.madd(place.load(scores), factor, place.load(biasAt)));
    place.store(out, logit);
    f.set(maxima[i], f32x4.pmax(maxima[i], place.fillRest(logit, lowest)));
  });
  return f.let(maxOfLanes(f, f32x4.pmax(maxima[0], maxima[1])));
}

/** Replaces each float x of a row, starting at the pointer, with exp(x - max). Returns the sum of the results. */
function storeExponentials(
  f: FunctionBuilder,
  pointer: Local<"i32">,
  columns: Local<"i32">,
  max: Local<"v128">,
): Local<"f32"> {
  const sums = [f.let(v128.zero), f.let(v128.zero)];
  forEachVector(f, columns, [pointer], (places) => {
    const xs = places.map((place) => f.let(f32x4.sub(place.load(pointer), max)));
    const powers = exponentialOrZero(f, xs);
    for (const [i, place] of places.entries()) {
      place.store(pointer, powers[i]);
      f.set(sums[i], f32x4.add(sums[i], place.zeroRest(powers[i])));
    }
    if (places.length === 1) exchange(f, sums);
  });
  return f.let(sumOfLanes(f, f32x4.add(sums[0], sums[1])));
}

/**
 * Swaps the two partial sums after a single vector, so that additional hidden keys at the end of a row do not change
 * the bits of the total.
 */
function exchange(f: FunctionBuilder, [first, second]: readonly Local<"v128">[]): void {
  const held = f.let(first);
  f.set(first, second);
  f.set(second, held);
}

/** Computes exp(x) for x <= 0. A subnormal result becomes 0, so that hidden keys get the probability 0. */
function exponentialOrZero(f: FunctionBuilder, xs: Vectors): Vectors {
  const smallest = f.let(f.constantF32x4(SMALLEST_EXPONENT));
  const clamped = each(f, xs, (x) => f32x4.pmax(x, smallest));
  const powers = exponential(f, clamped);
  return each(f, powers, (power, i): V128 => v128.andnot(power, f32x4.lt(xs[i], smallest)));
}

function addBackward(module: ModuleBuilder): void {
  const parameters = {
    ...integers("p", "dP"),
    scale: "f32",
    ...integers("dScores", "rows", "columns"),
  } as const;
  module.func("attentionSoftmaxBackward", parameters, (f, values) => {
    const { p, dP, scale, dScores, rows, columns } = values;
    const factor = f.let(f32x4.splat(scale));
    const pAt = f.local("i32");
    const dPAt = f.local("i32");
    f.for(0, rows, 1, () => {
      f.set(pAt, p);
      f.set(dPAt, dP);
      const sums = [f.let(v128.zero), f.let(v128.zero)];
      forEachVector(f, columns, [pAt, dPAt], (places) => {
        for (const [i, place] of places.entries())
          f.set(sums[i], f.madd(place.load(pAt), place.load(dPAt), sums[i]));
        if (places.length === 1) exchange(f, sums);
      });
      const dot = f.let(f32x4.splat(sumOfLanes(f, f32x4.add(sums[0], sums[1]))));
      forEachPlace(f, columns, [p, dP, dScores], (place) => {
        const centred = f32x4.sub(place.load(dP), dot);
        place.store(dScores, f32x4.mul(f32x4.mul(place.load(p), factor), centred));
      });
    });
  });
}
