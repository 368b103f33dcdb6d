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
