/** A training run in memory: the model, its optimizer, and where pruning stands. */

import { checkOneOf } from "../core/checks.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { Backend } from "../kernels/backend.ts";
import { createPruningScratch, type PruningScratch } from "../prune/hooks.ts";
import type { PruningState } from "../prune/state.ts";
import { createOptimizer, type Optimizer, releaseOptimizer } from "./optimizer.ts";
import { initialiseTrainingPruning, parseTrainingPruning } from "./pruning.ts";
import { createPruningKernels } from "./pruning-kernels.ts";
import type { TrainingSettings } from "./settings.ts";
import {
  createSparseProducts,
  releaseSparseProducts,
  type SessionSparseProducts,
} from "./sparse-products.ts";
import { SPARSE_PRODUCTS } from "./sparse-switch.ts";
import { createTeacherCache, type TeacherCache, type TeacherMemory } from "./teacher-cache.ts";
import { type LabelledBatch, layerRecords, type TrainableModel } from "./trainable-model.ts";

/** The part of a session that pruning has. */
export interface SessionPruning {
  state: PruningState;
  readonly scratch: PruningScratch;
  /** The loops that the scratch uses, too. */
  readonly kernels: PruningKernels;
}

/**
 * Everything that a training step changes, in place: the model's parameters, the optimizer's moments,
 * the pruning state and the count of steps. Its snapshot is plain data.
 */
export interface TrainingSession<Batch extends LabelledBatch> {
  readonly backend: Backend;
  readonly model: TrainableModel<Batch>;
  /** The frozen model to learn from; null where the settings distil nothing. */
  readonly teacher: TrainableModel<Batch> | null;
  readonly settings: TrainingSettings;
  readonly optimizer: Optimizer;
  /** Null where the settings distil nothing, or keep nothing. */
  readonly teacherCache: TeacherCache | null;
  /** Null in dense training. */
  readonly pruning: SessionPruning | null;
  /** Pruned weights in compressed form. */
  readonly sparse: SessionSparseProducts;
  /** Optimizer updates completed. */
  step: number;
}

/**
 * A session at its beginning. It takes the model as it is and changes it from then on.
 *
 * @throws InputError when the pruning configuration is wrong, with all its problems
 * @throws PruningError when it cannot be carried out on the model
 * @throws RangeError when the settings distil and there is no teacher, or `sparseProducts` is no choice
 *
 * @param teacherMemory - what the teacher's cache may use, which steps fill that say their rows
 */
export function createSession<Batch extends LabelledBatch>(
  backend: Backend,
  model: TrainableModel<Batch>,
  settings: TrainingSettings,
  teacher: TrainableModel<Batch> | null = null,
  teacherMemory: TeacherMemory = {},
): TrainingSession<Batch> {
  checkOneOf("settings.teacherCache", settings.teacherCache, ["float32", "float16", "off"]);
  if (settings.distillation !== null && teacher === null) {
    throw new RangeError("teacher: expected a model to distil from, got none");
  }
  const { optimizer, parameterRules, sparseProducts, teacherCache, distillation } = settings;
  checkOneOf("settings.sparseProducts", sparseProducts, SPARSE_PRODUCTS);
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
    sparse: createSparseProducts(sparseProducts),
    step: 0,
  };
}

/**
 * Pruning at its beginning on a model, or null where the settings ask for none.
 *
 * @throws InputError when the configuration is wrong, with all its problems
 * @throws PruningError when it cannot be carried out on the model
 */
export function startPruning(
  backend: Backend,
  model: TrainableModel<never>,
  { pruning, profile }: Pick<TrainingSettings, "pruning" | "profile">,
): SessionPruning | null {
  if (pruning === null) return null;
  const config = parseTrainingPruning(pruning, profile);
  const state = initialiseTrainingPruning(config, layerRecords(model), profile);
  const kernels = createPruningKernels(backend);
  return { state, scratch: createPruningScratch(state, kernels), kernels };
}

/** Gives the memory of the optimizer and of compressed weights back. The model's parameters stay: they are the caller's. */
export function releaseSession(session: TrainingSession<never>): void {
  releaseOptimizer(session.optimizer);
  releaseSparseProducts(session.sparse);
}
