/** Entry point `espalier/nn`: kernels, tensors, automatic differentiation, models and training. */

export { gelu, relu, tanh } from "./autograd/activation.ts";
export { add, multiply, scale } from "./autograd/arithmetic.ts";
export {
  type AttentionOptions,
  attentionContext,
  attentionProbabilities,
  HIDDEN_KEY,
} from "./autograd/attention.ts";
export type { AttentionRows } from "./autograd/attention-heads.ts";
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
export type {
  AttentionQueries,
  BlockSparseProducts,
  LinearProduct,
  Variable,
} from "./autograd/records.ts";
export { packedSequences, type Sequences, uniformSequences } from "./autograd/sequences.ts";
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
export type { PruningKernels } from "./core/pruning-kernels.ts";
export { type DemoTask, type DemoTaskOptions, generateDemoTask } from "./experiment/demo-task.ts";
export type * from "./experiment/events.ts";
export {
  type Experiment,
  type ExperimentOptions,
  type ExperimentSnapshot,
  runExperiment,
} from "./experiment/experiment.ts";
export { MODEL_CONFIGS } from "./experiment/model-configs.ts";
export {
  densePhaseSettings,
  type PhaseContext,
  sparsePhaseSettings,
} from "./experiment/phases.ts";
export type {
  ExperimentDescription,
  ExperimentPhase,
  ExperimentTerms,
} from "./experiment/plan.ts";
export {
  findRecipe,
  type LocalPruningConfig,
  type ModelName,
  type PhaseRecipe,
  type PruningSteps,
  pruningSteps,
  RECIPES,
  type Recipe,
  recipePruningConfig,
  type SparsePhaseRecipe,
  type TaskName,
} from "./experiment/recipes.ts";
export {
  decodeSnapshot,
  decodeSnapshotOrThrow,
  type EncodedSnapshot,
  encodeSnapshot,
  type Snapshots,
  type SnapshotTensor,
} from "./experiment/snapshot.ts";
export {
  availableVariants,
  type Backend,
  type BackendOptions,
  createBackend,
  createThreadedBackend,
  type ThreadedBackend,
  type ThreadedBackendOptions,
} from "./kernels/backend.ts";
export type { BlockSparseKernels, BlockSparseMatrix } from "./kernels/block-sparse.ts";
export type { Memory, Region } from "./kernels/simd/memory.ts";
export {
  type KernelThread,
  type StartThread,
  startWebThread,
  type ThreadStart,
  type WebWorker,
} from "./kernels/simd/threads.ts";
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
export type { Padding } from "./model/token-rows.ts";
export {
  type BlockSparseWeight,
  createBlockSparseWeight,
  type KeptBlocks,
  keptBlocks,
  refreshBlockSparseWeight,
  releaseBlockSparseWeight,
} from "./tensor/block-sparse-weight.ts";
export * from "./tensor/parameter.ts";
export { elementCount, type Shape } from "./tensor/shape.ts";
export { createTensor, Tensor } from "./tensor/tensor.ts";
export {
  BATCHINGS,
  type Batching,
  bucketedBatches,
  sequentialBatches,
  shuffledBatches,
} from "./train/batches.ts";
export { distillationLoss, labelLoss } from "./train/distillation.ts";
export {
  type Collate,
  evaluate,
  type Predictions,
  predict,
  type RowSource,
  scorePredictions,
} from "./train/evaluation.ts";
export type * from "./train/events.ts";
export { padExamples, type TokenisedExample } from "./train/examples.ts";
export { type FineTuneOptions, type FineTuning, fineTune } from "./train/loop.ts";
export { lossPadding } from "./train/loss-needs.ts";
export {
  type AdamWFlavour,
  type AdamWSettings,
  createOptimizer,
  type Optimizer,
  type OptimizerSlot,
  type OptimizerStepOptions,
  optimizerStepInto,
  type ParameterRule,
  parameterRules,
  releaseOptimizer,
} from "./train/optimizer.ts";
export { createPruningKernels } from "./train/pruning-kernels.ts";
export {
  type LearningRateSchedule,
  learningRateAt,
  SCHEDULE_NAMES,
  type ScheduleName,
} from "./train/schedule.ts";
export {
  createSession,
  releaseSession,
  type SessionPruning,
  type TrainingSession,
} from "./train/session.ts";
export {
  type DistillationSettings,
  type TrainingSettings,
  type TrainingSettingsOptions,
  trainingSettings,
} from "./train/settings.ts";
export type {
  RunProgress,
  StoredParameters,
  StoredSlot,
  StoredValues,
  TrainingSnapshot,
} from "./train/snapshot.ts";
export type { SparseProductsSetting } from "./train/sparse-switch.ts";
export { type StepResult, trainStepInto } from "./train/step.ts";
export {
  createTeacherCache,
  type TeacherCache,
  type TeacherMemory,
  type TeacherPrecision,
  type TeacherStorage,
} from "./train/teacher-cache.ts";
export type { CachedRows } from "./train/teacher-targets.ts";
export {
  type LabelledBatch,
  layerRecords,
  type ModelLayer,
  modelLayers,
  sequenceClassifier,
  type TrainableForwardOptions,
  type TrainableModel,
  type TrainableOutput,
} from "./train/trainable-model.ts";
