/**
 * The operations as plain loops. They specify what the WASM kernels compute, and replace them if WASM is not available.
 * Sums and transcendental functions are computed in double precision and rounded to float32 when they are stored.
 */
import type { Kernels } from "../table.ts";
import * as activations from "./activations.ts";
import * as adamw from "./adamw.ts";
import * as blockSparse from "./block-sparse.ts";
import { dropout } from "./dropout.ts";
import * as elementwise from "./elementwise.ts";
import * as gather from "./gather.ts";
import { gemm } from "./gemm.ts";
import * as int8 from "./int8.ts";
import * as layerNorm from "./layer-norm.ts";
import * as softmax from "./softmax.ts";

/** The table of scalar kernels. The modules that are spread here export nothing but operations. */
export const scalarKernels: Kernels = Object.freeze({
  variant: "scalar",
  independently: (body: () => void): void => body(),
  openGroup: (): void => undefined,
  closeGroup: (): void => undefined,
  dropout,
  gemm,
  ...activations,
  ...adamw,
  ...blockSparse,
  ...elementwise,
  ...gather,
  ...int8,
  ...layerNorm,
  ...softmax,
});
