/**
 * The operations that go element by element, on WASM. Class logits are too few to be worth a function, and filling
 * is as fast in the engine itself.
 */
import { scalarKernels } from "./scalar.ts";
import type { Wasm } from "./simd-calls.ts";
import type { AdamWConstants, Kernels } from "./table.ts";

type ElementwiseName =
  | "fill"
  | "softmaxRows"
  | "independently"
  | ArithmeticName
  | "addScaledDifference"
  | "sumSquaredDifference"
  | ForwardName
  | BackwardName
  | AdamWName;

/** These kernels. They refuse arrays that are too short. */
export function elementwiseKernels(wasm: Wasm): Pick<Kernels, ElementwiseName> {
  return {
    fill: scalarKernels.fill,
    softmaxRows: scalarKernels.softmaxRows,
    independently: wasm.independently,
    ...arithmetic(wasm),
    ...losses(wasm),
    ...activations(wasm),
    ...adamw(wasm),
  };
}

type ArithmeticName = "add" | "addBias" | "addColumnSums" | "addScaled" | "multiply" | "scale";

function arithmetic({
  run,
  at,
  inElements,
  inRows,
  inColumns,
}: Wasm): Pick<Kernels, ArithmeticName> {
  return {
    add(a, b, y) {
      const n = y.length;
      const [aAt, bAt, yAt] = [at("a", a, n), at("b", b, n), at("y", y, n)];
      inElements(n, (i, length) => run.add(aAt + i, bAt + i, yAt + i, length));
    },
    multiply(a, b, y) {
      const n = y.length;
      const [aAt, bAt, yAt] = [at("a", a, n), at("b", b, n), at("y", y, n)];
      inElements(n, (i, length) => run.multiply(aAt + i, bAt + i, yAt + i, length));
    },
    scale(x, factor, y) {
      const n = y.length;
      const [xAt, yAt] = [at("x", x, n), at("y", y, n)];
      inElements(n, (i, length) => run.scale(xAt + i, factor, yAt + i, length));
    },
    addScaled(x, factor, y) {
      const n = y.length;
      const [xAt, yAt] = [at("x", x, n), at("y", y, n)];
      inElements(n, (i, length) => run.addScaled(xAt + i, factor, yAt + i, length));
    },
    addBias(y, bias, rows, columns) {
      const [yAt, biasAt] = [at("y", y, rows * columns), at("bias", bias, columns)];
      inRows(rows, columns, (start, length) => {
        run.addBias(yAt + start * columns * 4, biasAt, length, columns);
      });
    },
    addColumnSums(x, out, rows, columns) {
      const [xAt, outAt] = [at("x", x, rows * columns), at("out", out, columns)];
      // A column is summed by one thread, from its first row to its last.
      inColumns(rows, columns, (i, length) => {
        run.addColumnSums(xAt + i, outAt + i, rows, length, columns * 4);
      });
    },
  };
}

function losses(wasm: Wasm): Pick<Kernels, "addScaledDifference" | "sumSquaredDifference"> {
  const { run, at, inElements } = wasm;
  return {
    sumSquaredDifference(a, b) {
      const n = a.length;
      return wasm.sumSquaredDifference(at("a", a, n), at("b", b, n), n);
    },
    addScaledDifference(a, b, factor, da) {
      const n = da.length;
      const [aAt, bAt, daAt] = [at("a", a, n), at("b", b, n), at("da", da, n)];
      inElements(n, (i, length) => {
        run.addScaledDifference(aAt + i, bAt + i, factor, daAt + i, length);
      });
    },
  };
}

type ForwardName = "geluForward" | "tanhForward" | "reluForward";
type BackwardName = "geluBackward" | "tanhBackward" | "reluBackward";

function activations({ run, at, inElements }: Wasm): Pick<Kernels, ForwardName | BackwardName> {
  const forward =
    (name: ForwardName) =>
    (x: Float32Array, y: Float32Array): void => {
      const n = y.length;
      const [xAt, yAt] = [at("x", x, n), at("y", y, n)];
      inElements(n, (i, length) => run[name](xAt + i, yAt + i, length));
    };
  const backward =
    (name: BackwardName, valueName: "x" | "y") =>
    (value: Float32Array, dy: Float32Array, dx: Float32Array): void => {
      const n = dx.length;
      const [valueAt, dyAt, dxAt] = [at(valueName, value, n), at("dy", dy, n), at("dx", dx, n)];
      inElements(n, (i, length) => run[name](valueAt + i, dyAt + i, dxAt + i, length));
    };
  return {
    geluForward: forward("geluForward"),
    geluBackward: backward("geluBackward", "x"),
    tanhForward: forward("tanhForward"),
    tanhBackward: backward("tanhBackward", "y"),
    reluForward: forward("reluForward"),
    reluBackward: backward("reluBackward", "y"),
  };
}

type AdamWName = "adamwTorch" | "adamwTransformers";

function adamw({ run, at, inElements }: Wasm): Pick<Kernels, AdamWName> {
  const update =
    (name: AdamWName, stepSizeOf: (constants: AdamWConstants) => number) =>
    (
      p: Float32Array,
      g: Float32Array,
      m: Float32Array,
      v: Float32Array,
      constants: AdamWConstants,
    ): void => {
      const n = p.length;
      const { learningRate, beta1, beta2, epsilon, weightDecay, c2 } = constants;
      const { clearGradient = false } = constants;
      const [pAt, gAt, mAt, vAt] = [at("p", p, n), at("g", g, n), at("m", m, n), at("v", v, n)];
      const stepSize = stepSizeOf(constants);
      inElements(n, (i, length) => {
        run[name](
          pAt + i,
          gAt + i,
          mAt + i,
          vAt + i,
          length,
          beta1,
          1 - beta1,
          beta2,
          1 - beta2,
          epsilon,
          stepSize,
          1 - learningRate * weightDecay,
          1 / Math.sqrt(c2),
          clearGradient ? 0 : -1,
        );
      });
    };
  return {
    adamwTorch: update("adamwTorch", ({ learningRate, c1 }) => learningRate / c1),
    adamwTransformers: update(
      "adamwTransformers",
      ({ learningRate, c1, c2 }) => (learningRate * Math.sqrt(c2)) / c1,
    ),
  };
}
