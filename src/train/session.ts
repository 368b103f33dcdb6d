/** The state of a training run: the model, its optimizer and its pruning. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { Backend } from "../kernels/backend.ts";
import { createPruningScratch, type PruningScratch } from "../prune/hooks.ts";
import type { PruningState } from "../prune/state.ts";
import { type SessionHeads, startHeads } from "./head-pruning.ts";
import { createOptimizer, type Optimizer, releaseOptimizer } from "./optimizer.ts";
import {
  createPruningKernels,
  initialiseTrainingPruning,
  parseTrainingPruning,
} from "./pruning.ts";
import { checkTrainingSettings, type TrainingSettings } from "./settings.ts";
import { type CompressedWeights, releaseCompressedWeights } from "./sparse-products.ts";
import { createTeacherCache, type TeacherCache, type TeacherMemory } from "./teacher-cache.ts";
import { type LabelledBatch, layerRecords, type TrainableModel } from "./trainable-model.ts";

/** The pruners of a run: those of blocks, and those of attention heads. */
export interface SessionPruning {
  state: PruningState;
  readonly scratch: PruningScratch;
  /** The pruning kernels that `scratch` uses. */
  readonly kernels: PruningKernels;
  readonly heads: readonly SessionHeads[];
  /** Whether the first pruner of the configuration prunes heads. */
  readonly headsFirst: boolean;
}

/** The state of a training run. Training steps change it in place. */
export interface TrainingSession<Batch extends LabelledBatch> {
  readonly backend: Backend;
  readonly model: TrainableModel<Batch>;
  /** The frozen teacher; null without distillation. */
  readonly teacher: TrainableModel<Batch> | null;
  readonly settings: TrainingSettings;
  readonly optimizer: Optimizer;
  /** Cached results of the teacher; null without distillation, or with `teacherCache: "off"`. */
  readonly teacherCache: TeacherCache | null;
  /** Null in dense training. */
  readonly pruning: SessionPruning | null;
  readonly compressed: CompressedWeights;
  /** The number of completed optimizer updates. */
  step: number;
  released: boolean;
}

/**
 * Creates the session of a training run, and sets the model's gradients to zero. Its steps change the model in place.
 *
 * @throws InputError with every problem of an invalid pruning configuration
 * @throws PruningError if the model cannot be pruned as configured
 * @throws TypeError or RangeError for other invalid settings, or distillation without a teacher
 */
export function createSession<Batch extends LabelledBatch>(
  backend: Backend,
  model: TrainableModel<Batch>,
  settings: TrainingSettings,
  teacher: TrainableModel<Batch> | null = null,
  teacherMemory: TeacherMemory = {},
): TrainingSession<Batch> {
  checkTrainingSettings(settings);
  if (settings.distillation !== null && teacher === null) {
    throw new RangeError("teacher: expected a model to distil from, got none");
  }
  const { optimizer, parameterRules, teacherCache, distillation } = settings;
  const pruning = startPruning(backend, model, settings);
  return {
    backend,
    model,
    teacher,
    settings,
    teacherCache:
      distillation === null || teacherCache === "off"
        ? null
        : createTeacherCache(teacherCache, teacherMemory),
    optimizer: createOptimizer(backend, model.parameters, optimizer, parameterRules),
    pruning,
    compressed: new Map(),
    step: 0,
    released: false,
  };
}

/**
 * Creates the initial pruning state of a model; returns null in dense training. Throws the same errors as {@link
 * createSession}.
 */
export function startPruning(
  backend: Backend,
  model: TrainableModel<never>,
  { pruning, profile }: Pick<TrainingSettings, "pruning" | "profile">,
): SessionPruning | null {
  if (pruning === null) return null;
  const config = parseTrainingPruning(pruning, profile);
  const layers = layerRecords(model);
  const { state, heads } = initialiseTrainingPruning(
    config,
    layers,
    profile,
    model.attentions ?? [],
  );
  const kernels = createPruningKernels(backend);
  return {
    state,
    scratch: createPruningScratch(state, kernels),
    kernels,
    // The kernels may have allocated memory, which makes earlier views of weights invalid.
    heads: heads.map((one) => startHeads(one, layerRecords(model))),
    headsFirst: config.pruners[0]?.pattern.kind === "heads",
  };
}

/** Frees the memory of the optimizer and of compressed weights, once. The model stays usable. */
export function releaseSession(session: TrainingSession<never>): void {
  if (session.released) return;
  session.released = true;
  releaseOptimizer(session.optimizer);
  releaseCompressedWeights(session.compressed);
}
