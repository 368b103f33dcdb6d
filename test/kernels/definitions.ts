/** What the kernels approximate, in double precision and as directly as the definitions are written. */

/** A function of several variables. */
export type ScalarField = (x: readonly number[]) => number;

/** erf by its series, which for |x| <= 6 is accurate to about 1e-15 as no term is negative. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

export function gelu(x: number): number {
  return (x / 2) * (1 + erf(x / Math.SQRT2));
}

/** The GELU of tanh: `gelu_new` of transformers. */
export function geluNew(x: number): number {
  return (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}

export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

export function softmax(logits: readonly number[]): number[] {
  const max = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - max));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

export function layerNorm(
  x: readonly number[],
  gamma: readonly number[],
  beta: readonly number[],
  epsilon: number,
): number[] {
  const mean = x.reduce((a, b) => a + b, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map((value, i) => (gamma[i] * (value - mean)) / Math.sqrt(variance + epsilon) + beta[i]);
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** The gradient by central differences; its own error is about step^2 x f''' + 1e-16 |f| / step. */
export function gradientOf(f: ScalarField, x: ArrayLike<number>, step = 1e-4): number[] {
  const at = Array.from(x);
  return at.map((value, i) => {
    at[i] = value + step;
    const above = f(at);
    at[i] = value - step;
    const below = f(at);
    at[i] = value;
    return (above - below) / (2 * step);
  });
}
