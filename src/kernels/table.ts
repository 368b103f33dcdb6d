/**
 * The table of operations that every kernel variant implements. Arrays are row-major; sizes are in elements. The WASM
 * variants throw a RangeError for an array that is too short or not a view of the backend's memory. Scalar kernels
 * accept any array. Outputs may not alias inputs unless a comment allows it.
 */
import type { BlockSparseKernels } from "./block-sparse.ts";

/**
 * The implementation: plain loops, WASM SIMD, or WASM SIMD with fused multiply-add (relaxed SIMD). `revectorized` is a
 * form of `fma` for V8 with a flag, under which the engine joins pairs of vectors. Without the flag it is slower. Only
 * weight gradients of sparse products are rounded differently.
 */
export type KernelVariant = "scalar" | "simd" | "fma" | "revectorized";

/** The form of a product C [m, n]: `nn` A[m, k] B[k, n], `nt` A[m, k] B[n, k]^T, `tn` A[k, m]^T B[k, n]. */
export type ProductForm = "nn" | "nt" | "tn";

/** Positions that share four Philox blocks in dropout: 4 blocks x 4 words x 2 halves. Rows start at multiples of it. */
export const DROPOUT_GROUP = 32;

/** The key of the random numbers of a dropout operation, and the part of their counter that all examples share. */
export interface DropoutKey {
  /** The low and high 32 bits of the seed. */
  readonly seedLow: number;
  readonly seedHigh: number;
  readonly step: number;
  readonly operation: number;
}

/** Constants of an AdamW update. c1 and c2 are the bias corrections 1 - beta1^t and 1 - beta2^t. */
export interface AdamWConstants {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly c1: number;
  readonly c2: number;
  /** Whether to set g to zero after the update. Default false. */
  readonly clearGradient?: boolean;
}

/** Updates p, m and v in place from g. */
export type AdamWUpdate = (
  p: Float32Array,
  g: Float32Array,
  m: Float32Array,
  v: Float32Array,
  constants: AdamWConstants,
) => void;

/** All operations. */
export interface Kernels
  extends GroupKernels,
    ProductKernels,
    ElementwiseKernels,
    RowKernels,
    BlockSparseKernels {
  readonly variant: KernelVariant;
}

/** Groups of independent operations, which threads share. */
export interface GroupKernels {
  /**
   * Runs `body`, whose operations must be independent: several threads may run them in any order and at the same time.
   * All end before this returns. Operations with a result run immediately. `layerNormBackward` may not alias dx and dy.
   */
  independently(body: () => void): void;
  /** Starts a group as {@link independently} does, without a closure. The caller must call {@link closeGroup}. */
  openGroup(): void;
  /** Ends a group and runs its deferred operations. */
  closeGroup(): void;
}

export interface ProductKernels {
  /** C = op(A) op(B), or with `accumulate` C += op(A) op(B). Offsets and row strides are in elements. */
  gemm(
    form: ProductForm,
    m: number,
    n: number,
    k: number,
    a: Float32Array,
    aOffset: number,
    aStride: number,
    b: Float32Array,
    bOffset: number,
    bStride: number,
    c: Float32Array,
    cOffset: number,
    cStride: number,
    accumulate: boolean,
  ): void;
}

export interface ElementwiseKernels {
  /** y[r, c] += bias[c], in place. */
  addBias(y: Float32Array, bias: Float32Array, rows: number, columns: number): void;
  /** out[c] += sum over r of x[r, c]. */
  addColumnSums(x: Float32Array, out: Float32Array, rows: number, columns: number): void;

  /** y[i] = value. */
  fill(y: Float32Array, value: number): void;
  /** y = a + b; y may alias a or b. */
  add(a: Float32Array, b: Float32Array, y: Float32Array): void;
  /** y += scale * x. */
  addScaled(x: Float32Array, scale: number, y: Float32Array): void;
  /** y = scale * x; y may alias x. */
  scale(x: Float32Array, scale: number, y: Float32Array): void;
  /** y = a * b elementwise; y may alias a or b. */
  multiply(a: Float32Array, b: Float32Array, y: Float32Array): void;

  /** y = x Phi(x), the exact (erf) GELU, with an absolute error below 2e-7 max(1, |x|). */
  geluForward(x: Float32Array, y: Float32Array): void;
  /** dx = dy * d gelu(x); dx may alias dy. */
  geluBackward(x: Float32Array, dy: Float32Array, dx: Float32Array): void;
  /** y = tanh(x). */
  tanhForward(x: Float32Array, y: Float32Array): void;
  /** dx = dy * (1 - y^2); dx may alias dy. */
  tanhBackward(y: Float32Array, dy: Float32Array, dx: Float32Array): void;
  /** y = max(x, 0). */
  reluForward(x: Float32Array, y: Float32Array): void;
  /** dx = y > 0 ? dy : 0; dx may alias dy. */
  reluBackward(y: Float32Array, dy: Float32Array, dx: Float32Array): void;

  /** probabilities = softmax(logits * scale) by row, for few columns (classes). The two may alias. */
  softmaxRows(
    logits: Float32Array,
    scale: number,
    probabilities: Float32Array,
    rows: number,
    columns: number,
  ): void;
  /** The sum of (a - b)^2 in a fixed order, with a relative error below 1e-6. */
  sumSquaredDifference(a: Float32Array, b: Float32Array): number;
  /** da += scale * (a - b). */
  addScaledDifference(a: Float32Array, b: Float32Array, scale: number, da: Float32Array): void;

  /**
   * torch.optim.AdamW: p *= 1 - lr * wd; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
   * p -= (lr / c1) * m / (sqrt(v) / sqrt(c2) + eps).
   */
  readonly adamwTorch: AdamWUpdate;
  /** transformers.AdamW: m and v as for torch; p -= (lr * sqrt(c2) / c1) * m / (sqrt(v) + eps); p -= lr * wd * p. */
  readonly adamwTransformers: AdamWUpdate;
}

/** Operations on rows: attention, layer normalisation, dropout, embeddings, columns. */
export interface RowKernels {
  /**
   * probabilities = softmax(scores * scale + keyBias) by row, for one example. Its scores and probabilities
   * [rows, columns] start at `offset` and may alias. The bias of its keys [columns] starts at `biasOffset`: 0, or
   * -3.4028235e38 for a hidden key. Hidden keys after the last visible key do not change the other probabilities.
   */
  attentionSoftmaxForward(
    scores: Float32Array,
    keyBias: Float32Array,
    scale: number,
    probabilities: Float32Array,
    offset: number,
    biasOffset: number,
    rows: number,
    columns: number,
  ): void;
  /** dScores = scale * p * (dP - sum(p * dP)) by row, for one example, from `offset` on. dScores may alias dP. */
  attentionSoftmaxBackward(
    probabilities: Float32Array,
    dProbabilities: Float32Array,
    scale: number,
    dScores: Float32Array,
    offset: number,
    rows: number,
    columns: number,
  ): void;

  /**
   * y = gamma * xhat + beta with xhat = (s - mean(s)) * rstd, rstd = 1 / sqrt(var(s) + epsilon) and s = x + residual,
   * or s = x. The backward pass needs xhat [rows, columns] and rstd [rows]. xhat may alias x.
   */
  layerNormForward(
    x: Float32Array,
    residual: Float32Array | null,
    gamma: Float32Array,
    beta: Float32Array,
    epsilon: number,
    y: Float32Array,
    xhat: Float32Array,
    rstd: Float32Array,
    rows: number,
    columns: number,
  ): void;
  /** dx = the gradient of s, and so of x and residual. Adds to dGamma and dBeta. dx may alias dy. */
  layerNormBackward(
    dy: Float32Array,
    xhat: Float32Array,
    rstd: Float32Array,
    gamma: Float32Array,
    dx: Float32Array,
    dGamma: Float32Array,
    dBeta: Float32Array,
    rows: number,
    columns: number,
  ): void;

  /**
   * Inverted dropout of one example: y = x * keep / (1 - rate). y may alias x. The backward pass is the same on dy. Row
   * r uses the positions from firstPosition + r * positionStride on; both are multiples of 32. The draw of position
   * 32 s + e (0 <= e < 32) is half e >> 4 (0 = low) of word (e >> 2) & 3 of the Philox4x32-10 block with the counter
   * (4 s + (e & 3), example, operation, step) and the key (seedLow, seedHigh). Kept if draw >= round(rate * 65536).
   */
  dropout(
    x: Float32Array,
    y: Float32Array,
    offset: number,
    rows: number,
    columns: number,
    firstPosition: number,
    positionStride: number,
    rate: number,
    key: DropoutKey,
    example: number,
  ): void;

  /**
   * out[r] = table[ids[r]], or with `accumulate` out[r] += table[ids[r]], for rows of `width` elements.
   * @throws RangeError for an id outside the table, before anything is written
   */
  gatherRows(
    table: Float32Array,
    ids: Int32Array,
    out: Float32Array,
    width: number,
    accumulate: boolean,
  ): void;
  /**
   * dTable[ids[r]] += dy[r], in order of r.
   * @throws RangeError for an id outside the table, before anything is written
   */
  scatterAddRows(dy: Float32Array, ids: Int32Array, dTable: Float32Array, width: number): void;

  /**
   * out[r, j] = x[r, columns[j]]; x is [rows, width], out [rows, columns.length].
   * @throws RangeError for a column outside x, before anything is written
   */
  gatherColumns(
    x: Float32Array,
    columns: Int32Array,
    out: Float32Array,
    rows: number,
    width: number,
  ): void;
  /**
   * y[r, columns[j]] = x[r, j], without other changes to y; x is [rows, columns.length], y [rows, width].
   * @throws RangeError for a column outside y, before anything is written
   */
  scatterColumns(
    x: Float32Array,
    columns: Int32Array,
    y: Float32Array,
    rows: number,
    width: number,
  ): void;
}
