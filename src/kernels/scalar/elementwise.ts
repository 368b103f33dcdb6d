import type { Kernels } from "../table.ts";

export const addBias: Kernels["addBias"] = (y, bias, rows, columns): void => {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) y[r * columns + c] += bias[c];
  }
};

export const addColumnSums: Kernels["addColumnSums"] = (x, out, rows, columns): void => {
  for (let c = 0; c < columns; c++) {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += x[r * columns + c];
    out[c] += sum;
  }
};

export const fill: Kernels["fill"] = (y, value): void => {
  y.fill(value);
};

export const add: Kernels["add"] = (a, b, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = a[i] + b[i];
};

export const addScaled: Kernels["addScaled"] = (x, scale, y): void => {
  for (let i = 0; i < y.length; i++) y[i] += scale * x[i];
};

export const scale: Kernels["scale"] = (x, factor, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = factor * x[i];
};

export const multiply: Kernels["multiply"] = (a, b, y): void => {
  for (let i = 0; i < y.length; i++) y[i] = a[i] * b[i];
};

export const sumSquaredDifference: Kernels["sumSquaredDifference"] = (a, b): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
};

export const addScaledDifference: Kernels["addScaledDifference"] = (a, b, scale, da): void => {
  for (let i = 0; i < da.length; i++) da[i] += scale * (a[i] - b[i]);
};
