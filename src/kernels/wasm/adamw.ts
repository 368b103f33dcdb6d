/** AdamW updates, as in torch and as in transformers. */
import {
  type FunctionBuilder,
  f32,
  f32x4,
  type I32,
  i32,
  i32x4,
  integers,
  type Local,
  type ModuleBuilder,
  type V128,
  v128,
} from "./emitter.ts";
import { forEachPlace } from "./vector-loop.ts";

/**
 * The number of floats that an update tests together. If the gradient and the moments of such a stretch are all zero,
 * as in the embedding of an unseen token, only weight decay is applied to it.
 */
const STRETCH = 64;

/** The parameters of an update. The caller computes derived factors such as `stepSize` in double precision. */
const PARAMETERS = {
  ...integers("p", "g", "m", "v", "count"),
  beta1: "f32",
  oneMinusBeta1: "f32",
  beta2: "f32",
  oneMinusBeta2: "f32",
  epsilon: "f32",
  stepSize: "f32",
  /** 1 - learning rate * weight decay. */
  keep: "f32",
  /** 1 / sqrt(c2), by which `adamwTorch` multiplies sqrt(v). `adamwTransformers` ignores it. */
  inverseCorrection: "f32",
  /** The bit mask that is applied to g after the update: -1 keeps g, 0 clears it. */
  gradientKept: "i32",
} as const;

export function addAdamW(module: ModuleBuilder): void {
  addUpdate(module, "adamwTorch", ({ p, m, rootOfV, stepSize, keep, epsilon, correction }, f) => {
    const step = f32x4.div(f32x4.mul(stepSize, m), f.madd(rootOfV, correction, epsilon));
    return f32x4.sub(f32x4.mul(p, keep), step);
  });
  addUpdate(module, "adamwTransformers", ({ p, m, rootOfV, stepSize, keep, epsilon }) => {
    const step = f32x4.div(f32x4.mul(stepSize, m), f32x4.add(rootOfV, epsilon));
    return f32x4.mul(f32x4.sub(p, step), keep);
  });
}

/**
 * The operands from which a new parameter is computed. `m` is the updated first moment, `rootOfV` the square root of
 * the updated second moment.
 */
type UpdateOperands = Readonly<
  Record<"p" | "m" | "rootOfV" | "stepSize" | "keep" | "epsilon" | "correction", V128>
>;

function addUpdate(
  module: ModuleBuilder,
  name: string,
  newParameter: (operands: UpdateOperands, f: FunctionBuilder) => V128,
): void {
  module.func(name, PARAMETERS, (f, values) => {
    const { p, g, m, v, count } = values;
    const splat = (scalar: Local<"f32">): Local<"v128"> => f.let(f32x4.splat(scalar));
    const beta1 = splat(values.beta1);
    const oneMinusBeta1 = splat(values.oneMinusBeta1);
    const beta2 = splat(values.beta2);
    const oneMinusBeta2 = splat(values.oneMinusBeta2);
    const gradientKept = f.let(i32x4.splat(values.gradientKept));
    const constants = {
      stepSize: splat(values.stepSize),
      keep: splat(values.keep),
      epsilon: splat(values.epsilon),
      correction: splat(values.inverseCorrection),
    };
    const update = (floats: I32): void =>
      forEachPlace(f, floats, [p, g, m, v], (place) => {
        const gradient = f.let(place.load(g));
        place.store(g, v128.and(gradient, gradientKept));
        const newM = f.let(f.madd(oneMinusBeta1, gradient, f32x4.mul(beta1, place.load(m))));
        place.store(m, newM);
        const square = f32x4.mul(gradient, oneMinusBeta2);
        const newV = f.let(f.madd(square, gradient, f32x4.mul(beta2, place.load(v))));
        place.store(v, newV);
        const rootOfV = f32x4.sqrt(newV);
        place.store(p, newParameter({ p: place.load(p), m: newM, rootOfV, ...constants }, f));
      });
    // With epsilon 0, the step for zero moments is 0 / 0, so no stretch may be skipped.
    const mayRest = f.let(f32.lt(f32.const(0), values.epsilon));
    const decays = f.let(f32.ne(values.keep, f32.const(1)));
    f.while(count, () => {
      const some = f.let(i32.minS(count, STRETCH));
      const rests = f.let(i32.const(0));
      f.if(i32.and(mayRest, i32.eq(some, STRETCH)), () => {
        f.if(i32.eqz(v128.anyTrue(v128.load(g))), () => f.set(rests, isZero(f, [g, m, v])));
      });
      f.if(
        rests,
        () => {
          f.if(decays, () => {
            for (let at = 0; at < 4 * STRETCH; at += 16)
              f.store(p, f32x4.mul(v128.load(p, at), constants.keep), at);
          });
          for (const pointer of [p, g, m, v]) f.increment(pointer, 4 * STRETCH);
        },
        () => update(some),
      );
      f.set(count, i32.sub(count, some));
    });
  });
}

/** Whether each array has only zero bits in its next {@link STRETCH} floats. */
function isZero(f: FunctionBuilder, arrays: readonly Local<"i32">[]): I32 {
  const any = f.local("v128");
  f.set(any, v128.zero);
  for (const array of arrays)
    for (let at = 0; at < 4 * STRETCH; at += 16) f.set(any, v128.or(any, v128.load(array, at)));
  return i32.eqz(v128.anyTrue(any));
}
