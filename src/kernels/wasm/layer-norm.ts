/** Layer normalisation of x or of x + residual. */
import {
  type F32,
  type FunctionBuilder,
  f32,
  f32x4,
  integers,
  type Local,
  type ModuleBuilder,
  v128,
} from "./emitter.ts";
import { sumOfLanes } from "./lanes.ts";
import { forEachPlace } from "./vector-loop.ts";

export function addLayerNorm(module: ModuleBuilder): void {
  addForward(module, "layerNormForward", false);
  addForward(module, "layerNormResidualForward", true);
  addBackward(module);
  addParameterGradients(module);
}

function addForward(module: ModuleBuilder, name: string, hasResidual: boolean): void {
  const parameters = {
    ...integers("x", "residual", "gamma", "beta"),
    epsilon: "f32",
    ...integers("y", "xhat", "rstd", "rows", "columns"),
  } as const;
  module.func(name, parameters, (f, values) => {
    const { x, residual, gamma, beta, epsilon, y, xhat, rstd, rows, columns } = values;
    const inverseCount = f.let(f32.div(1, f32.convertI32S(columns)));
    f.for(0, rows, 1, () => {
      // Until the last pass over the row, xhat holds the inputs: x or x + residual.
      const at = f.let(xhat);
      const sums = [f.let(v128.zero), f.let(v128.zero)];
      forEachPlace(f, columns, hasResidual ? [x, residual, at] : [x, at], (place, i) => {
        const input = place.load(x);
        const s = f.let(hasResidual ? f32x4.add(input, place.load(residual)) : input);
        place.store(at, s);
        f.set(sums[i], f32x4.add(sums[i], s));
      });
      const mean = f.let(f32x4.splat(f32.mul(totalOf(f, sums), inverseCount)));
      f.set(at, xhat);
      const variance = f32.mul(sumOfSquares(f, at, columns, mean), inverseCount);
      const deviation = f32.sqrt(f32.add(variance, epsilon));
      const inverseDeviation = f.let(f32.div(1, deviation));
      f.store(rstd, inverseDeviation);
      f.increment(rstd, 4);

      const factor = f.let(f32x4.splat(inverseDeviation));
      const gammaAt = f.let(gamma);
      const betaAt = f.let(beta);
      forEachPlace(f, columns, [xhat, gammaAt, betaAt, y], (place) => {
        const normalised = f.let(f32x4.mul(f32x4.sub(place.load(xhat), mean), factor));
        place.store(xhat, normalised);
        place.store(y, f.madd(normalised, place.load(gammaAt), place.load(betaAt)));
      });
    });
  });
}

/** The sum of (x - mean)^2 over the floats x of a row, starting at the pointer. */
function sumOfSquares(
  f: FunctionBuilder,
  pointer: Local<"i32">,
  columns: Local<"i32">,
  mean: Local<"v128">,
): F32 {
  const sums = [f.let(v128.zero), f.let(v128.zero)];
  forEachPlace(f, columns, [pointer], (place, i) => {
    const centred = f.let(place.zeroRest(f32x4.sub(place.load(pointer), mean)));
    f.set(sums[i], f.madd(centred, centred, sums[i]));
  });
  return totalOf(f, sums);
}

function totalOf(f: FunctionBuilder, sums: readonly Local<"v128">[]): F32 {
  return sumOfLanes(f, f32x4.add(sums[0], sums[1]));
}

/** Adds `layerNormBackward`. The first pass over a row computes two sums, and the second pass computes dx. */
function addBackward(module: ModuleBuilder): void {
  const parameters = integers("dy", "xhat", "rstd", "gamma", "dx", "rows", "columns");
  module.func("layerNormBackward", parameters, (f, values) => {
    const { dy, xhat, rstd, gamma, dx, rows, columns } = values;
    const inverseCount = f.let(f32.div(1, f32.convertI32S(columns)));
    f.for(0, rows, 1, () => {
      const pointers = [dy, xhat, gamma].map((start) => f.let(start));
      const [dyAt, xhatAt, gammaAt] = pointers;
      const sums = [f.let(v128.zero), f.let(v128.zero)];
      const dots = [f.let(v128.zero), f.let(v128.zero)];
      forEachPlace(f, columns, pointers, (place, i) => {
        const dxhat = f.let(f32x4.mul(place.load(dyAt), place.load(gammaAt)));
        f.set(sums[i], f32x4.add(sums[i], dxhat));
        f.set(dots[i], f.madd(dxhat, place.load(xhatAt), dots[i]));
      });
      const mean = f.let(f32x4.splat(f32.mul(totalOf(f, sums), inverseCount)));
      const slope = f.let(f32x4.splat(f32.mul(totalOf(f, dots), inverseCount)));
      const factor = f.let(v128.load32Splat(rstd));
      f.increment(rstd, 4);
      f.set(gammaAt, gamma);
      forEachPlace(f, columns, [dy, xhat, gammaAt, dx], (place) => {
        const dxhat = f32x4.mul(place.load(dy), place.load(gammaAt));
        const centred = f.nmadd(place.load(xhat), slope, f32x4.sub(dxhat, mean));
        place.store(dx, f32x4.mul(factor, centred));
      });
    });
  });
}

/**
 * Adds `layerNormParameterGradients`: dGamma += dy * xhat and dBeta += dy, row by row. A call may cover only some of
 * the columns; `stride` is the number of bytes between rows.
 */
function addParameterGradients(module: ModuleBuilder): void {
  const parameters = integers("dy", "xhat", "dGamma", "dBeta", "rows", "columns", "stride");
  module.func("layerNormParameterGradients", parameters, (f, values) => {
    const { dy, xhat, dGamma, dBeta, rows, columns, stride } = values;
    f.for(0, rows, 1, () => {
      const pointers = [dy, xhat, dGamma, dBeta].map((start) => f.let(start));
      const [dyAt, xhatAt, dGammaAt, dBetaAt] = pointers;
      forEachPlace(f, columns, pointers, (place) => {
        const d = f.let(place.load(dyAt));
        place.store(dGammaAt, f.madd(d, place.load(xhatAt), place.load(dGammaAt)));
        place.store(dBetaAt, f32x4.add(place.load(dBetaAt), d));
      });
      f.increment(dy, stride);
      f.increment(xhat, stride);
    });
  });
}
