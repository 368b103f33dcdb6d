/**
 * A training run's state as plain data, so that a resumed run equals the uninterrupted one: parameters,
 * moments, masks and scores, counts, and the settings and kernel variant under which they were made.
 */
import { InputError, type Problem } from "../core/either.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { copyPruningState } from "../prune/hooks.ts";
import type { PruningState } from "../prune/state.ts";
import type { Parameters } from "../tensor/parameter.ts";
import { checkpointDifferences } from "./differences.ts";
import type { TrainingSession } from "./session.ts";
import type { TrainingSettings } from "./settings.ts";
import { releaseSparseProducts } from "./sparse-products.ts";

/** Where a run is within its epochs. */
export interface RunProgress {
  /** Epochs whose event was given out. */
  readonly reportedEpochs: number;
  /** Sum of the losses of the current epoch's steps. */
  readonly lossSum: number;
}

/** Values with their shape, copied from a backend's memory. */
export interface StoredValues {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A model's parameters as stored values, in module order. */
export type StoredParameters = ReadonlyMap<string, StoredValues>;

/** One parameter's share of the optimizer. */
export interface StoredSlot {
  readonly updates: number;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

/** The state of a run between two steps. `version` changes when its meaning does. */
export interface TrainingCheckpoint {
  readonly version: 1;
  /** The kernels that computed it; others round differently. */
  readonly variant: KernelVariant;
  readonly settings: TrainingSettings;
  /** Optimizer updates completed. */
  readonly step: number;
  readonly progress: RunProgress;
  readonly parameters: StoredParameters;
  /** By parameter; fixed parameters have none. */
  readonly optimizer: ReadonlyMap<string, StoredSlot>;
  readonly pruning: PruningState | null;
}

/** Copies parameters' values out of their memory. */
export function storedParameters(parameters: Parameters): StoredParameters {
  return new Map(
    [...parameters].map(([name, { value }]) => [
      name,
      { shape: value.shape, data: value.data.slice() },
    ]),
  );
}

/** Sets parameters to stored values; those without stored ones stay. */
export function setParametersInto(parameters: Parameters, stored: StoredParameters): void {
  for (const { name, value } of parameters.values()) {
    const values = stored.get(name);
    if (values !== undefined) value.data.set(values.data);
  }
}

/** Copies a session's state out of its memory. */
export function captureCheckpoint(
  session: TrainingSession<never>,
  progress: RunProgress,
): TrainingCheckpoint {
  const { backend, model, optimizer, pruning, settings, step } = session;
  const slots = optimizer.slots.map(
    ({ parameter, updates, firstMoment, secondMoment }) =>
      [
        parameter.name,
        {
          updates,
          firstMoment: firstMoment.data.slice(),
          secondMoment: secondMoment.data.slice(),
        },
      ] as const,
  );
  return {
    version: 1,
    variant: backend.kernels.variant,
    settings: structuredClone(settings),
    step,
    progress: { ...progress },
    parameters: storedParameters(model.parameters),
    optimizer: new Map(slots),
    pruning: pruning === null ? null : copyPruningState(pruning.state),
  };
}

/**
 * Brings a session to a checkpoint's state and returns the run's progress.
 *
 * @throws InputError with every difference when the checkpoint is of other settings, of another kernel
 *   variant or of another model; the session is then unchanged
 */
export function restoreCheckpointInto(
  session: TrainingSession<never>,
  checkpoint: TrainingCheckpoint,
): RunProgress {
  const problems = resumeProblems(session, checkpoint);
  if (problems.length > 0) throw new InputError(problems);
  setParametersInto(session.model.parameters, checkpoint.parameters);
  for (const slot of session.optimizer.slots) {
    const stored = checkpoint.optimizer.get(slot.parameter.name);
    if (stored === undefined) continue;
    slot.firstMoment.data.set(stored.firstMoment);
    slot.secondMoment.data.set(stored.secondMoment);
    slot.updates = stored.updates;
  }
  if (session.pruning !== null && checkpoint.pruning !== null) {
    session.pruning.state = copyPruningState(checkpoint.pruning);
  }
  releaseSparseProducts(session.sparse);
  session.step = checkpoint.step;
  return { ...checkpoint.progress };
}

/** Everything that keeps a session from going on from a checkpoint. */
export function resumeProblems(
  session: TrainingSession<never>,
  checkpoint: TrainingCheckpoint,
): readonly Problem[] {
  return [
    ...checkpointDifferences("variant", session.backend.kernels.variant, checkpoint.variant),
    ...checkpointDifferences("settings", session.settings, checkpoint.settings),
    ...checkpointDifferences("parameters", parameterSizes(session), storedSizes(checkpoint)),
    ...checkpointDifferences(
      "optimizer",
      session.optimizer.slots.map(({ parameter }) => parameter.name),
      [...checkpoint.optimizer.keys()],
    ),
  ];
}

function parameterSizes({ model }: TrainingSession<never>): Readonly<Record<string, string>> {
  const entries = [...model.parameters].map(([name, { value }]) => [name, value.shape.join("x")]);
  return Object.fromEntries(entries);
}

function storedSizes({ parameters }: TrainingCheckpoint): Readonly<Record<string, string>> {
  return Object.fromEntries([...parameters].map(([name, { shape }]) => [name, shape.join("x")]));
}
