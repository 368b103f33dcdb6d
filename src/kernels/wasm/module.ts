/** Assembles the module of a variant, when the package is built. */
import { addActivations } from "./activations.ts";
import { addAdamW } from "./adamw.ts";
import { addBlockSparse } from "./block-sparse.ts";
import { addColumns } from "./columns.ts";
import { addDropout } from "./dropout.ts";
import { addElementwise } from "./elementwise.ts";
import { addEmbedding } from "./embedding.ts";
import { ModuleBuilder, type WasmVariant } from "./emitter.ts";
import { addGelu } from "./gelu.ts";
import { addGemm } from "./gemm.ts";
import { addLayerNorm } from "./layer-norm.ts";
import { addLosses } from "./losses.ts";
import { addPruning } from "./pruning.ts";
import { addQueuedCall } from "./queued-call.ts";
import { addSoftmax } from "./softmax.ts";

/** Each adds the functions of a kernel, in this order. */
const KERNELS: readonly ((module: ModuleBuilder) => void)[] = [
  addGemm,
  addElementwise,
  addActivations,
  addGelu,
  addSoftmax,
  addLayerNorm,
  addDropout,
  addEmbedding,
  addLosses,
  addAdamW,
  addPruning,
  addBlockSparse,
  addColumns,
  addQueuedCall,
];

/** The binary of a variant's module, for its own memory or a shared one. */
export function buildModule(variant: WasmVariant, memory: "own" | "shared" = "own"): Uint8Array {
  const module = new ModuleBuilder(variant);
  for (const add of KERNELS) add(module);
  return module.encode(memory);
}
