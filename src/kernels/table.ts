/**
 * The table of operations that every kernel variant implements. Arrays are row-major; sizes are in elements. The WASM
 * variants throw a RangeError for an array that is too short or is not a view of the backend's memory. Scalar kernels
 * accept any array. Outputs may not alias inputs unless a comment allows it.
 */
import type { BlockSparseKernels } from "./block-sparse.ts";
import type { Int8Kernels } from "./int8.ts";

/**
 * How the kernels are implemented: as plain loops (`scalar`), with WASM SIMD (`simd`), or with WASM SIMD and fused
 * multiply-add from relaxed SIMD (`fma`). `revectorized` is a form of `fma` in which V8, if started with a flag, joins
 * pairs of vectors; without the flag it is slower than `fma`. Compared with `fma`, only the weight gradients of sparse
 * products are rounded differently.
 */
export type KernelVariant = "scalar" | "simd" | "fma" | "revectorized";

/**
 * Which factors of a product C [m, n] are transposed: `nn` is A[m, k] B[k, n], `nt` is A[m, k] B[n, k]^T, and `tn` is
 * A[k, m]^T B[k, n].
 */
export type ProductForm = "nn" | "nt" | "tn";

/**
 * The number of consecutive positions whose dropout draws come from the same four Philox blocks: 4 blocks x 4 words x 2
 * halves. Every row starts at a multiple of this number.
 */
export const DROPOUT_GROUP = 32;

/**
 * The Philox key for a dropout operation, and the words of the counter (`step`, `operation`) that all examples share.
 */
export interface DropoutKey {
  /** The low and high 32 bits of the seed, which are the key. */
  readonly seedLow: number;
  readonly seedHigh: number;
  readonly step: number;
  readonly operation: number;
}

/**
 * The constants of an AdamW update. The bias corrections in update t, counted from 1, are c1 = 1 - beta1^t and
 * c2 = 1 - beta2^t.
 */
export interface AdamWConstants {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly c1: number;
  readonly c2: number;
  /** Whether to set the gradient g to zero after the update. Default false. */
  readonly clearGradient?: boolean;
}

/** Updates the parameters p and their moments m and v in place from the gradient g. */
export type AdamWUpdate = (
  p: Float32Array,
  g: Float32Array,
  m: Float32Array,
  v: Float32Array,
  constants: AdamWConstants,
) => void;

/** The table of all operations. */
export interface Kernels
  extends GroupKernels,
    ProductKernels,
    ElementwiseKernels,
    RowKernels,
    BlockSparseKernels,
    Int8Kernels {
  readonly variant: KernelVariant;
}

/** Functions that group independent operations, so that threads can share them. */
export interface GroupKernels {
  /**
   * Runs `body`, whose operations must be independent of each other: several threads may run them in any order and at
   * the same time. All of them have finished when this function returns. Operations that return a value run
   * immediately. In a group, dx and dy of `layerNormBackward` may not alias.
   */
  independently(body: () => void): void;
  /** Opens a group as {@link independently} does, but without a closure. The caller must call {@link closeGroup}. */
  openGroup(): void;
  /** Closes the group and runs its deferred operations. */
  closeGroup(): void;
}

export interface ProductKernels {
  /**
   * C = op(A) op(B), or with `accumulate` C += op(A) op(B). `form` determines whether op transposes A or B. Offsets and
   * row strides are in elements.
   */
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
  /** out[c] += the sum of x[r, c] over all rows r. */
  addColumnSums(x: Float32Array, out: Float32Array, rows: number, columns: number): void;

  /** y[i] = value for all i. */
  fill(y: Float32Array, value: number): void;
  /** y = a + b; y may alias a or b. */
  add(a: Float32Array, b: Float32Array, y: Float32Array): void;
  /** y += scale * x. */
  addScaled(x: Float32Array, scale: number, y: Float32Array): void;
  /** y = scale * x; y may alias x. */
  scale(x: Float32Array, scale: number, y: Float32Array): void;
  /** y = a * b elementwise; y may alias a or b. */
  multiply(a: Float32Array, b: Float32Array, y: Float32Array): void;

  /**
   * y = x Phi(x), the exact (erf) GELU with the normal distribution function Phi. The absolute error is below
   * 2e-7 max(1, |x|).
   */
  geluForward(x: Float32Array, y: Float32Array): void;
  /** dx = dy * gelu'(x); dx may alias dy. */
  geluBackward(x: Float32Array, dy: Float32Array, dx: Float32Array): void;
  /**
   * y = x (1 + tanh(z)) / 2 with z = sqrt(2 / pi) (x + 0.044715 x^3), the approximate GELU. The absolute error is below
   * 2e-7 max(1, |x|).
   */
  geluNewForward(x: Float32Array, y: Float32Array): void;
  /** dx = dy times the derivative of the approximate GELU at x; dx may alias dy. */
  geluNewBackward(x: Float32Array, dy: Float32Array, dx: Float32Array): void;
  /** y = x / (1 + exp(-x)). The absolute error is below 2e-7 max(1, |x|). */
  siluForward(x: Float32Array, y: Float32Array): void;
  /** dx = dy * silu'(x); dx may alias dy. */
  siluBackward(x: Float32Array, dy: Float32Array, dx: Float32Array): void;
  /** y = tanh(x). */
  tanhForward(x: Float32Array, y: Float32Array): void;
  /** dx = dy * (1 - y^2); dx may alias dy. */
  tanhBackward(y: Float32Array, dy: Float32Array, dx: Float32Array): void;
  /** y = max(x, 0). */
  reluForward(x: Float32Array, y: Float32Array): void;
  /** dx = y > 0 ? dy : 0; dx may alias dy. */
  reluBackward(y: Float32Array, dy: Float32Array, dx: Float32Array): void;

  /**
   * probabilities = softmax(logits * scale) for each row; intended for few columns (classes). `probabilities` may alias
   * `logits`.
   */
  softmaxRows(
    logits: Float32Array,
    scale: number,
    probabilities: Float32Array,
    rows: number,
    columns: number,
  ): void;
  /** Returns the sum of (a - b)^2, added in a fixed order, with a relative error below 1e-6. */
  sumSquaredDifference(a: Float32Array, b: Float32Array): number;
  /** da += scale * (a - b). */
  addScaledDifference(a: Float32Array, b: Float32Array, scale: number, da: Float32Array): void;

  /**
   * The update of torch.optim.AdamW: p *= 1 - lr * wd; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
   * p -= (lr / c1) * m / (sqrt(v) / sqrt(c2) + eps).
   */
  readonly adamwTorch: AdamWUpdate;
  /**
   * The update of transformers.AdamW: m and v as in `adamwTorch`; p -= (lr * sqrt(c2) / c1) * m / (sqrt(v) + eps);
   * p -= lr * wd * p.
   */
  readonly adamwTransformers: AdamWUpdate;
}

/**
 * Operations on the rows of matrices: attention softmax, layer normalisation, dropout, embedding lookup, and column gather
 * and scatter.
 */
export interface RowKernels {
  /**
   * probabilities = softmax(scores * scale + keyBias) for each row of one example. The scores and probabilities of the
   * example, [rows, columns], start at `offset` and may alias. The biases of its keys, [columns], start at
   * `biasOffset`; a bias is 0, or -3.4028235e38 for a hidden key. Additional hidden keys after the last visible key do
   * not change the other probabilities.
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
  /**
   * dScores = scale * p * (dP - sum(p * dP)) for each row of one example, with its probabilities p and their gradient
   * dP. `offset` is the start of the example in each array. dScores may alias dProbabilities.
   */
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
   * or s = x if the residual is null. The backward pass needs xhat [rows, columns] and rstd [rows]. xhat may alias x.
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
  /**
   * Computes dx, the gradient of s in {@link layerNormForward} and so of both x and residual, and adds to dGamma and
   * dBeta. dx may alias dy.
   */
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
   * Inverted dropout for one example: y = x / (1 - rate) for kept elements, else 0. y may alias x. The backward pass is
   * the same operation on dy. Row r uses the positions from firstPosition + r * positionStride on; both numbers are
   * multiples of 32. An element is kept if the 16-bit draw for its position is at least round(rate * 65536).
   * The draw for position 32 s + e (0 <= e < 32) is half e >> 4 (0 is the low half) of word (e >> 2) & 3 of the
   * Philox4x32-10 block with the counter (4 s + (e & 3), example, operation, step) and the key (seedLow, seedHigh).
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
   * dTable[ids[r]] += dy[r], in ascending order of r.
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
   * y[r, columns[j]] = x[r, j]; other elements of y do not change. x is [rows, columns.length], y [rows, width].
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
