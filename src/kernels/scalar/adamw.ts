import type { AdamWConstants, Kernels } from "../table.ts";

/** Updates the first and second moment, m[i] and v[i], of element i. */
function updateMoments(
  g: Float32Array,
  m: Float32Array,
  v: Float32Array,
  { beta1, beta2 }: AdamWConstants,
  i: number,
): void {
  m[i] = beta1 * m[i] + (1 - beta1) * g[i];
  v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
}

export const adamwTorch: Kernels["adamwTorch"] = (p, g, m, v, constants): void => {
  const { learningRate, epsilon, weightDecay, c1, c2, clearGradient = false } = constants;
  const keep = 1 - learningRate * weightDecay;
  const stepSize = learningRate / c1;
  for (let i = 0; i < p.length; i++) {
    updateMoments(g, m, v, constants, i);
    p[i] = p[i] * keep - (stepSize * m[i]) / (Math.sqrt(v[i] / c2) + epsilon);
  }
  if (clearGradient) g.fill(0);
};

export const adamwTransformers: Kernels["adamwTransformers"] = (p, g, m, v, constants): void => {
  const { learningRate, epsilon, weightDecay, c1, c2, clearGradient = false } = constants;
  const keep = 1 - learningRate * weightDecay;
  const stepSize = (learningRate * Math.sqrt(c2)) / c1;
  for (let i = 0; i < p.length; i++) {
    updateMoments(g, m, v, constants, i);
    p[i] = (p[i] - (stepSize * m[i]) / (Math.sqrt(v[i]) + epsilon)) * keep;
  }
  if (clearGradient) g.fill(0);
};
