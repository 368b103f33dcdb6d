import type { Kernels } from "../table.ts";
import { erfc } from "./erfc.ts";

function normalCdf(x: number): number {
  return 0.5 * erfc(-x * Math.SQRT1_2);
}

function normalPdf(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** Returns x * weight. A weight of 0 gives 0, even if x is infinite. */
function vanishingProduct(x: number, weight: number): number {
  return weight === 0 ? 0 : x * weight;
}

export const geluForward: Kernels["geluForward"] = (x, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = vanishingProduct(x[i], normalCdf(x[i]));
};

export const geluBackward: Kernels["geluBackward"] = (x, dy, dx): void => {
  for (let i = 0; i < dx.length; i++) {
    dx[i] = dy[i] * (normalCdf(x[i]) + vanishingProduct(x[i], normalPdf(x[i])));
  }
};

/** x sigmoid(gate(x)), and its derivative. */
interface Gated {
  readonly value: (x: number) => number;
  readonly derivative: (x: number) => number;
}

function gated(gate: (x: number) => number, slope: (x: number) => number): Gated {
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-gate(x)));
  return {
    value: (x) => vanishingProduct(x, sigmoid(x)),
    derivative: (x) => {
      const s = sigmoid(x);
      const spread = s * (1 - s);
      return spread === 0 ? s : s + x * spread * slope(x);
    },
  };
}

const SILU = gated(
  (x) => x,
  () => 1,
);

/** (1 + tanh(z)) / 2 is the sigmoid of 2 z. */
const GELU_NEW = gated(
  (x) => Math.sqrt(8 / Math.PI) * (x + 0.044715 * x ** 3),
  (x) => Math.sqrt(8 / Math.PI) * (1 + 3 * 0.044715 * x * x),
);

export const geluNewForward: Kernels["geluNewForward"] = (x, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = GELU_NEW.value(x[i]);
};

export const geluNewBackward: Kernels["geluNewBackward"] = (x, dy, dx): void => {
  for (let i = 0; i < dx.length; i++) dx[i] = dy[i] * GELU_NEW.derivative(x[i]);
};

export const siluForward: Kernels["siluForward"] = (x, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = SILU.value(x[i]);
};

export const siluBackward: Kernels["siluBackward"] = (x, dy, dx): void => {
  for (let i = 0; i < dx.length; i++) dx[i] = dy[i] * SILU.derivative(x[i]);
};

export const tanhForward: Kernels["tanhForward"] = (x, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = Math.tanh(x[i]);
};

export const tanhBackward: Kernels["tanhBackward"] = (y, dy, dx): void => {
  for (let i = 0; i < dx.length; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
};

export const reluForward: Kernels["reluForward"] = (x, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = Math.max(x[i], 0);
};

export const reluBackward: Kernels["reluBackward"] = (y, dy, dx): void => {
  for (let i = 0; i < dx.length; i++) dx[i] = y[i] > 0 ? dy[i] : 0;
};
