/**
 * The operations as readable loops over plain typed arrays. Sums and transcendental functions are in
 * double precision, rounded to float32 on storing, so these also are the reference that the WASM
 * kernels are tested against; they run where WASM is blocked.
 */

import type { Kernels } from "../table.ts";
import {
  geluBackward,
  geluForward,
  reluBackward,
  reluForward,
  tanhBackward,
  tanhForward,
} from "./activations.ts";
import { adamwTorch, adamwTransformers } from "./adamw.ts";
import {
  blockSparseAddSums,
  blockSparseForward,
  blockSparseGather,
  blockSparseInputGradient,
  blockSparseWeightSums,
} from "./block-sparse.ts";
import { gatherColumns, scatterColumns } from "./columns.ts";
import { dropout } from "./dropout.ts";
import { add, addBias, addColumnSums, addScaled, fill, multiply, scale } from "./elementwise.ts";
import { gatherRows, scatterAddRows } from "./embedding.ts";
import { gemm } from "./gemm.ts";
import { layerNormBackward, layerNormForward } from "./layer-norm.ts";
import { addScaledDifference, sumSquaredDifference } from "./losses.ts";
import { attentionSoftmaxBackward, attentionSoftmaxForward, softmaxRows } from "./softmax.ts";

/** The reference kernels. */
export const scalarKernels: Kernels = Object.freeze({
  variant: "scalar",
  independently: (body: () => void): void => body(),
  openGroup: (): void => undefined,
  closeGroup: (): void => undefined,
  gemm,
  addBias,
  addColumnSums,
  fill,
  add,
  addScaled,
  scale,
  multiply,
  geluForward,
  geluBackward,
  tanhForward,
  tanhBackward,
  reluForward,
  reluBackward,
  attentionSoftmaxForward,
  attentionSoftmaxBackward,
  layerNormForward,
  layerNormBackward,
  dropout,
  gatherRows,
  scatterAddRows,
  gatherColumns,
  scatterColumns,
  softmaxRows,
  sumSquaredDifference,
  addScaledDifference,
  adamwTorch,
  adamwTransformers,
  blockSparseGather,
  blockSparseForward,
  blockSparseInputGradient,
  blockSparseWeightSums,
  blockSparseAddSums,
});
