import type { Kernels } from "../table.ts";

/** Computes every entry of C as a dot product in double precision. */
export const gemm: Kernels["gemm"] = (
  form,
  m,
  n,
  k,
  a,
  aOffset,
  aStride,
  b,
  bOffset,
  bStride,
  c,
  cOffset,
  cStride,
  accumulate,
): void => {
  const [aRow, aInner] = form === "tn" ? [1, aStride] : [aStride, 1];
  const [bInner, bColumn] = form === "nt" ? [1, bStride] : [bStride, 1];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let aIndex = aOffset + i * aRow;
      let bIndex = bOffset + j * bColumn;
      let sum = 0;
      for (let p = 0; p < k; p++) {
        sum += a[aIndex] * b[bIndex];
        aIndex += aInner;
        bIndex += bInner;
      }
      const cIndex = cOffset + i * cStride + j;
      c[cIndex] = accumulate ? c[cIndex] + sum : sum;
    }
  }
};
