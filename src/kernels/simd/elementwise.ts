/** The elementwise operations on WASM. `fill` and `softmaxRows` are scalar kernels, because JavaScript is as fast. */
import { fill } from "../scalar/elementwise.ts";
import { softmaxRows } from "../scalar/softmax.ts";
import type { AdamWConstants, AdamWUpdate, ElementwiseKernels } from "../table.ts";
import type { Wasm } from "./calls.ts";

/** Creates the kernels. WASM kernels throw a RangeError for an array that is too short. */
export function elementwiseKernels(wasm: Wasm): ElementwiseKernels {
  return {
    ...forwardElementwise(wasm),
    softmaxRows,
    ...arithmetic(wasm),
    ...losses(wasm),
    ...activationGradients(wasm),
    ...adamw(wasm),
  };
}

type ForwardKernel = "fill" | "addBias" | `${Activation | "geluNew" | "silu"}Forward`;

/** Creates the kernels that inference calls. */
export function forwardElementwise(wasm: Wasm): Pick<ElementwiseKernels, ForwardKernel> {
  return {
    fill,
    addBias: addBias(wasm),
    ...activations(wasm),
  };
}

function addBias(wasm: Wasm): ElementwiseKernels["addBias"] {
  const { run, at, openGroup, closeGroup } = wasm;
  return (y, bias, rows, columns) => {
    const yAt = at("y", y, rows * columns);
    const biasAt = at("bias", bias, columns);
    const part = wasm.partOfRows(rows, columns);
    openGroup();
    for (let row = 0; row < rows; row += part)
      run.addBias(yAt + 4 * row * columns, biasAt, Math.min(part, rows - row), columns);
    closeGroup();
  };
}

type ThreeArrays = (a: Float32Array, b: Float32Array, y: Float32Array) => void;

/**
 * Creates an operation on three arrays. The last array determines the number of elements. `labels` are the names of the
 * arrays in error messages.
 */
function onThree(
  { run, at, partOfElements, openGroup, closeGroup }: Wasm,
  name: "add" | "multiply" | BackwardName,
  labels: readonly [string, string, string],
): ThreeArrays {
  return (a, b, y) => {
    const n = y.length;
    const aAt = at(labels[0], a, n);
    const bAt = at(labels[1], b, n);
    const yAt = at(labels[2], y, n);
    const part = partOfElements(n);
    openGroup();
    for (let i = 0; i < n; i += part)
      run[name](aAt + 4 * i, bAt + 4 * i, yAt + 4 * i, Math.min(part, n - i));
    closeGroup();
  };
}

function arithmetic(wasm: Wasm) {
  const { run, at, partOfElements, openGroup, closeGroup } = wasm;
  const scaled =
    (name: "scale" | "addScaled") =>
    (x: Float32Array, factor: number, y: Float32Array): void => {
      const n = y.length;
      const xAt = at("x", x, n);
      const yAt = at("y", y, n);
      const part = partOfElements(n);
      openGroup();
      for (let i = 0; i < n; i += part)
        run[name](xAt + 4 * i, factor, yAt + 4 * i, Math.min(part, n - i));
      closeGroup();
    };
  return {
    add: onThree(wasm, "add", ["a", "b", "y"]),
    multiply: onThree(wasm, "multiply", ["a", "b", "y"]),
    scale: scaled("scale"),
    addScaled: scaled("addScaled"),
    addColumnSums(x, out, rows, columns) {
      const xAt = at("x", x, rows * columns);
      const outAt = at("out", out, columns);
      // Split by column, so that no column is divided between calls.
      const part = wasm.partOfColumns(rows, columns);
      openGroup();
      for (let column = 0; column < columns; column += part) {
        const length = Math.min(part, columns - column);
        run.addColumnSums(xAt + 4 * column, outAt + 4 * column, rows, length, columns * 4);
      }
      closeGroup();
    },
  } satisfies Partial<ElementwiseKernels>;
}

function losses(wasm: Wasm) {
  const { run, at, partOfElements, openGroup, closeGroup } = wasm;
  return {
    sumSquaredDifference(a, b) {
      const n = a.length;
      return wasm.sumSquaredDifference(at("a", a, n), at("b", b, n), n);
    },
    addScaledDifference(a, b, factor, da) {
      const n = da.length;
      const aAt = at("a", a, n);
      const bAt = at("b", b, n);
      const daAt = at("da", da, n);
      const part = partOfElements(n);
      openGroup();
      for (let i = 0; i < n; i += part) {
        const length = Math.min(part, n - i);
        run.addScaledDifference(aAt + 4 * i, bAt + 4 * i, factor, daAt + 4 * i, length);
      }
      closeGroup();
    },
  } satisfies Partial<ElementwiseKernels>;
}

type Activation = "gelu" | "tanh" | "relu";
type ForwardName = `${Activation}Forward`;
type BackwardName = `${Activation}Backward`;

function activations(wasm: Wasm) {
  const { run, at, partOfElements, openGroup, closeGroup } = wasm;
  const forward =
    (name: ForwardName) =>
    (x: Float32Array, y: Float32Array): void => {
      const n = y.length;
      const xAt = at("x", x, n);
      const yAt = at("y", y, n);
      const part = partOfElements(n);
      openGroup();
      for (let i = 0; i < n; i += part) run[name](xAt + 4 * i, yAt + 4 * i, Math.min(part, n - i));
      closeGroup();
    };
  const gated =
    (gate: Gate) =>
    (x: Float32Array, y: Float32Array): void => {
      const n = y.length;
      const xAt = at("x", x, n);
      const yAt = at("y", y, n);
      const part = partOfElements(n);
      openGroup();
      for (let i = 0; i < n; i += part)
        run.gatedForward(xAt + 4 * i, yAt + 4 * i, Math.min(part, n - i), ...gate);
      closeGroup();
    };
  return {
    geluForward: forward("geluForward"),
    tanhForward: forward("tanhForward"),
    reluForward: forward("reluForward"),
    geluNewForward: gated(GELU_NEW),
    siluForward: gated(SILU),
  } satisfies Partial<ElementwiseKernels>;
}

/** The parameters of a gated activation: slope, cubic, and the largest |x|. */
type Gate = readonly [slope: number, cubic: number, largest: number];

/** z = x. */
const SILU: Gate = [1, 0, 80];

/** (1 + tanh(u)) / 2 is the sigmoid of z = 2 u. */
const GELU_NEW: Gate = /* @__PURE__ */ geluNewGate();

function geluNewGate(): Gate {
  const slope = Math.sqrt(8 / Math.PI);
  return [slope, slope * 0.044715, 9.5];
}

function activationGradients(wasm: Wasm) {
  const { run, at, partOfElements, openGroup, closeGroup } = wasm;
  const gated =
    (gate: Gate): ThreeArrays =>
    (x, dy, dx) => {
      const n = dx.length;
      const xAt = at("x", x, n);
      const dyAt = at("dy", dy, n);
      const dxAt = at("dx", dx, n);
      const part = partOfElements(n);
      openGroup();
      for (let i = 0; i < n; i += part)
        run.gatedBackward(xAt + 4 * i, dyAt + 4 * i, dxAt + 4 * i, Math.min(part, n - i), ...gate);
      closeGroup();
    };
  return {
    geluBackward: onThree(wasm, "geluBackward", ["x", "dy", "dx"]),
    tanhBackward: onThree(wasm, "tanhBackward", ["y", "dy", "dx"]),
    reluBackward: onThree(wasm, "reluBackward", ["y", "dy", "dx"]),
    geluNewBackward: gated(GELU_NEW),
    siluBackward: gated(SILU),
  } satisfies Partial<ElementwiseKernels>;
}

type AdamWName = "adamwTorch" | "adamwTransformers";

function adamw({ run, at, partOfElements, openGroup, closeGroup }: Wasm) {
  const update =
    (name: AdamWName, stepSizeOf: (constants: AdamWConstants) => number): AdamWUpdate =>
    (p, g, m, v, constants) => {
      const n = p.length;
      const pAt = at("p", p, n);
      const gAt = at("g", g, n);
      const mAt = at("m", m, n);
      const vAt = at("v", v, n);
      const { learningRate, beta1, beta2, epsilon, weightDecay, c2, clearGradient } = constants;
      const stepSize = stepSizeOf(constants);
      const kept = 1 - learningRate * weightDecay;
      const mask = clearGradient === true ? 0 : -1;
      const b1 = 1 - beta1;
      const b2 = 1 - beta2;
      const scale = 1 / Math.sqrt(c2);
      const update = run[name];
      const part = partOfElements(n);
      openGroup();
      for (let i = 0; i < n; i += part) {
        const pi = pAt + 4 * i;
        const gi = gAt + 4 * i;
        const mi = mAt + 4 * i;
        const vi = vAt + 4 * i;
        const length = Math.min(part, n - i);
        update(pi, gi, mi, vi, length, beta1, b1, beta2, b2, epsilon, stepSize, kept, scale, mask);
      }
      closeGroup();
    };
  return {
    adamwTorch: update("adamwTorch", ({ learningRate, c1 }) => learningRate / c1),
    adamwTransformers: update(
      "adamwTransformers",
      ({ learningRate, c1, c2 }) => (learningRate * Math.sqrt(c2)) / c1,
    ),
  } satisfies Partial<ElementwiseKernels>;
}
