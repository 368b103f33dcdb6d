/**
 * Kernels, tensors, automatic differentiation, models and training.
 *
 * @module espalier/nn
 */

export { gelu, relu, tanh } from "./autograd/activation.ts";
export { add, multiply, scale } from "./autograd/arithmetic.ts";
export { attentionContext, attentionProbabilities, HIDDEN_KEY } from "./autograd/attention.ts";
export { backward } from "./autograd/backward.ts";
export { dropout } from "./autograd/dropout.ts";
export { embeddingSum, selectRows } from "./autograd/embedding.ts";
export { crossEntropy } from "./autograd/label-losses.ts";
export { layerNorm } from "./autograd/layer-norm.ts";
export { linear } from "./autograd/linear.ts";
export { kullbackLeibler, meanSquaredError } from "./autograd/losses.ts";
export type { Variable } from "./autograd/records.ts";
export {
  constant,
  createTape,
  discard,
  gradientOf,
  input,
  keepGradient,
  releaseTape,
  scalarOf,
  scope,
  type Tape,
} from "./autograd/tape.ts";
export { generateDemoTask } from "./experiment/demo-task.ts";
export type { ExperimentEvent } from "./experiment/events.ts";
export { runExperiment } from "./experiment/experiment.ts";
export { MODEL_CONFIGS } from "./experiment/model-configs.ts";
export { densePhaseSettings, sparsePhaseSettings } from "./experiment/plan.ts";
export { findRecipe, recipePruningConfig } from "./experiment/recipes.ts";
export {
  decodeSnapshot,
  decodeSnapshotOrThrow,
  encodeSnapshot,
} from "./experiment/snapshot.ts";
export { headHooks, headHooksInto } from "./heads/hooks.ts";
export { initialiseHeadPruning } from "./heads/initialise.ts";
export type { AttentionLayer, HeadPruningState } from "./heads/state.ts";
export {
  availableVariants,
  type Backend,
  createBackend,
  createThreadedBackend,
  type ThreadedBackend,
} from "./kernels/backend.ts";
export { startWebThread } from "./kernels/simd/threads.ts";
export type { Kernels, KernelVariant } from "./kernels/table.ts";
export type { TokenBatch } from "./model/batch.ts";
export { type ModelConfig, parseModelConfig, parseModelConfigOrThrow } from "./model/config.ts";
export { forward, type ModelOutput } from "./model/forward.ts";
export { createParameters, initialiseParameters } from "./model/parameters.ts";
export {
  createParameter,
  type Parameter,
  type Parameters,
  releaseParameters,
  zeroGradients,
} from "./tensor/parameter.ts";
export { createTensor, type Tensor } from "./tensor/tensor.ts";
export { evaluate, type Predictions, predict, scorePredictions } from "./train/evaluation.ts";
export type { Evaluation, TrainingEvent } from "./train/events.ts";
export { padExamples, type TokenisedExample } from "./train/examples.ts";
export { type FineTuneOptions, type FineTuning, fineTune } from "./train/loop.ts";
export { createOptimizer, optimizerStepInto, releaseOptimizer } from "./train/optimizer.ts";
export { createPruningKernels } from "./train/pruning.ts";
export { type TrainingSettings, trainingSettings } from "./train/settings.ts";
export type { TrainingSnapshot } from "./train/snapshot.ts";
export { type SlimOptions, slimPruningConfig } from "./train/slim-config.ts";
export {
  type LabelledBatch,
  sequenceClassifier,
  type TrainableModel,
  type TrainableOutput,
} from "./train/trainable-model.ts";
