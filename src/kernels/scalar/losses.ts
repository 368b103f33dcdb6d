import type { Kernels } from "../table.ts";

export const sumSquaredDifference: Kernels["sumSquaredDifference"] = (a, b): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
};

export const addScaledDifference: Kernels["addScaledDifference"] = (a, b, scale, da): void => {
  for (let i = 0; i < da.length; i++) da[i] += scale * (a[i] - b[i]);
};
