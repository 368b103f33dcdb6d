/** Assembles the WASM modules of a kernel variant. This runs when the package is built. */
import { BLOCK_HEIGHTS } from "../block-sparse.ts";
import { addActivations, addGelu } from "./activations.ts";
import { addAdamW } from "./adamw.ts";
import { addBlockSparse } from "./block-sparse.ts";
import { addDropout } from "./dropout.ts";
import { addElementwise, addSquaredDifference } from "./elementwise.ts";
import { f32, f64, i32, type Local, ModuleBuilder, type WasmVariant } from "./emitter.ts";
import { addGated } from "./gated.ts";
import { addColumns, addRows } from "./gather.ts";
import { addGemm } from "./gemm.ts";
import { addInt8Forward } from "./int8-forward.ts";
import { addInt8Quantize } from "./int8-quantize.ts";
import { addLayerNorm } from "./layer-norm.ts";
import { addPruning } from "./pruning.ts";
import { type ModuleContents, SECTION } from "./section.ts";
import { addSoftmax } from "./softmax.ts";

/** Similar functions are neighbours, which compresses better. */
const KERNELS: readonly ((module: ModuleBuilder) => void)[] = [
  addGemm,
  addElementwise,
  addActivations,
  addGelu,
  addGated,
  addSoftmax,
  addLayerNorm,
  addDropout,
  addRows,
  addSquaredDifference,
  addAdamW,
  addPruning,
  addBlockSparse,
  addColumns,
  addInt8Quantize,
  addInt8Forward,
  addQueuedCall,
];

/** The exported functions that inference calls. Modules for inference have no others. */
const INFERENCE_FUNCTIONS: ReadonlySet<string> = new Set([
  "gemm_nn",
  "gemm_nt",
  "addBias",
  "geluForward",
  "gatedForward",
  "tanhForward",
  "reluForward",
  "attentionSoftmaxForward",
  "layerNormForward",
  "layerNormResidualForward",
  "gatherRows",
  "gatherAddRows",
  "gatherColumns",
  "scatterColumns",
  ...BLOCK_HEIGHTS.map((height) => `blockSparseForward${height}`),
  "int8Quantize",
  "int8GatherRows",
  "int8GatherAddRows",
  "int8Dense",
  "int8Rows",
  "int8Blocks",
]);

/** Builds a WASM module of a variant and returns its bytes. */
export function buildModule(
  variant: WasmVariant,
  memory: "own" | "shared" = "own",
  contents: ModuleContents = "all",
): Uint8Array {
  const wanted = contents === "inference" ? INFERENCE_FUNCTIONS : undefined;
  const module = new ModuleBuilder(variant, wanted);
  for (const add of KERNELS) add(module);
  module.custom(SECTION, `${variant} ${contents}`);
  return module.encode(memory);
}

/**
 * The size of a float64 in bytes. A deferred call is stored as float64 numbers: the index of an exported function, then
 * its arguments.
 */
const VALUE_BYTES = 8;

/**
 * Adds `runCall`, which runs a deferred call. A direct call from JavaScript would allocate an object for each argument
 * that is not an integer.
 */
function addQueuedCall(module: ModuleBuilder): void {
  const procedures = [...module.procedures];
  module.func("runCall", { address: "i32" }, (f, { address }) => {
    const number = f.let(i32.wrapF64(f64.load(address)));
    for (const [i, target] of procedures)
      f.if(i32.eq(number, i), () => {
        const values = Object.entries(target.parameters).map(([name, type], k) => {
          const value = f64.load(address as Local<"i32">, VALUE_BYTES * (1 + k));
          return [name, type === "f32" ? f32.demoteF64(value) : i32.wrapF64(value)];
        });
        f.run(target, Object.fromEntries(values));
      });
  });
}
