import type { Kernels } from "../table.ts";

export const layerNormForward: Kernels["layerNormForward"] = (
  x,
  residual,
  gamma,
  beta,
  epsilon,
  y,
  xhat,
  rstd,
  rows,
  columns,
): void => {
  for (let r = 0; r < rows; r++) {
    const start = r * columns;
    const input = (c: number): number =>
      residual === null ? x[start + c] : x[start + c] + residual[start + c];
    let sum = 0;
    for (let c = 0; c < columns; c++) sum += input(c);
    const mean = sum / columns;
    let squares = 0;
    for (let c = 0; c < columns; c++) squares += (input(c) - mean) ** 2;
    const inverseDeviation = 1 / Math.sqrt(squares / columns + epsilon);
    rstd[r] = inverseDeviation;
    for (let c = 0; c < columns; c++) {
      const normalised = (input(c) - mean) * inverseDeviation;
      xhat[start + c] = normalised;
      y[start + c] = gamma[c] * normalised + beta[c];
    }
  }
};

export const layerNormBackward: Kernels["layerNormBackward"] = (
  dy,
  xhat,
  rstd,
  gamma,
  dx,
  dGamma,
  dBeta,
  rows,
  columns,
): void => {
  // dGamma and dBeta are computed before dx is written, because dx may alias dy.
  for (let c = 0; c < columns; c++) {
    let gammaSum = 0;
    let betaSum = 0;
    for (let r = 0; r < rows; r++) {
      gammaSum += dy[r * columns + c] * xhat[r * columns + c];
      betaSum += dy[r * columns + c];
    }
    dGamma[c] += gammaSum;
    dBeta[c] += betaSum;
  }
  for (let r = 0; r < rows; r++) {
    const start = r * columns;
    let sum = 0;
    let dot = 0;
    for (let c = 0; c < columns; c++) {
      const dxhat = dy[start + c] * gamma[c];
      sum += dxhat;
      dot += dxhat * xhat[start + c];
    }
    for (let c = 0; c < columns; c++) {
      const i = start + c;
      dx[i] = rstd[r] * (dy[i] * gamma[c] - sum / columns - (xhat[i] * dot) / columns);
    }
  }
};
