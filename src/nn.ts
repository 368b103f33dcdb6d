/** Entry point `espalier/nn`: kernels, tensors, automatic differentiation, models and training. */

export { gelu, relu, tanh } from "./autograd/activation.ts";
export { add, multiply, scale } from "./autograd/arithmetic.ts";
export {
  type AttentionOptions,
  attentionContext,
  attentionProbabilities,
  HIDDEN_KEY,
} from "./autograd/attention.ts";
export { backward } from "./autograd/backward.ts";
export { dropout } from "./autograd/dropout.ts";
export {
  type EmbeddingLookup,
  embeddingSum,
  selectFirst,
  selectRows,
} from "./autograd/embedding.ts";
export { type LayerNormOptions, layerNorm } from "./autograd/layer-norm.ts";
export { linear } from "./autograd/linear.ts";
export {
  crossEntropy,
  kullbackLeibler,
  meanSquaredError,
  type SoftTargetOptions,
  softCrossEntropy,
} from "./autograd/losses.ts";
export type { Variable } from "./autograd/records.ts";
export {
  constant,
  createTape,
  discard,
  gradientOf,
  type InputOptions,
  input,
  keepGradient,
  releaseTape,
  scalarOf,
  scope,
  type Tape,
  type TapeOptions,
} from "./autograd/tape.ts";
export { type Either, getOrThrow, InputError, type Problem } from "./core/either.ts";
export {
  availableVariants,
  type Backend,
  type BackendOptions,
  createBackend,
} from "./kernels/backend.ts";
export type { Memory, Region } from "./kernels/memory.ts";
export type { Kernels, KernelVariant } from "./kernels/table.ts";
export { checkTokenBatch, type TokenBatch } from "./model/batch.ts";
export {
  type ModelConfig,
  type ModelType,
  parseModelConfig,
  parseModelConfigOrThrow,
} from "./model/config.ts";
export { type ForwardOptions, forward, type ModelOutput } from "./model/forward.ts";
export { type ModuleDescription, type ModuleKind, moduleList } from "./model/modules.ts";
export {
  type CreateParametersOptions,
  checkpointProblems,
  createParameters,
  initialiseParameters,
  type NamedValues,
  type ParameterDescription,
  parameterList,
} from "./model/parameters.ts";
export * from "./tensor/parameter.ts";
export { elementCount, type Shape } from "./tensor/shape.ts";
export { createTensor, Tensor } from "./tensor/tensor.ts";
