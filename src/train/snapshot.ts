/**
 * A training run's state as plain data, so that a resumed run equals the uninterrupted one: parameters,
 * moments, masks and scores, counts, and the settings and kernel variant under which they were made.
 */
import { InputError, type Problem } from "../core/either.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { copyPruningState } from "../prune/hooks.ts";
import type { PruningState } from "../prune/state.ts";
import type { Parameters } from "../tensor/parameter.ts";
import type { TrainingSession } from "./session.ts";
import type { TrainingSettings } from "./settings.ts";
import { snapshotDifferences } from "./snapshot-differences.ts";
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
export interface TrainingSnapshot {
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
export function captureSnapshot(
  session: TrainingSession<never>,
  progress: RunProgress,
): TrainingSnapshot {
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
 * Brings a session to a snapshot's state and returns the run's progress.
 *
 * @throws InputError with every difference when the snapshot is of other settings, of another kernel
 *   variant or of another model; the session is then unchanged
 */
export function restoreSnapshotInto(
  session: TrainingSession<never>,
  snapshot: TrainingSnapshot,
): RunProgress {
  const problems = resumeProblems(session, snapshot);
  if (problems.length > 0) throw new InputError(problems);
  setParametersInto(session.model.parameters, snapshot.parameters);
  for (const slot of session.optimizer.slots) {
    const stored = snapshot.optimizer.get(slot.parameter.name);
    if (stored === undefined) continue;
    slot.firstMoment.data.set(stored.firstMoment);
    slot.secondMoment.data.set(stored.secondMoment);
    slot.updates = stored.updates;
  }
  if (session.pruning !== null && snapshot.pruning !== null) {
    session.pruning.state = copyPruningState(snapshot.pruning);
  }
  releaseSparseProducts(session.sparse);
  session.step = snapshot.step;
  return { ...snapshot.progress };
}

/** Everything that keeps a session from going on from a snapshot. */
export function resumeProblems(
  session: TrainingSession<never>,
  snapshot: TrainingSnapshot,
): readonly Problem[] {
  return [
    ...snapshotDifferences("variant", session.backend.kernels.variant, snapshot.variant),
    ...snapshotDifferences("settings", session.settings, snapshot.settings),
    ...snapshotDifferences("parameters", parameterSizes(session), storedSizes(snapshot)),
    ...snapshotDifferences(
      "optimizer",
      session.optimizer.slots.map(({ parameter }) => parameter.name),
      [...snapshot.optimizer.keys()],
    ),
  ];
}

function parameterSizes({ model }: TrainingSession<never>): Readonly<Record<string, string>> {
  const entries = [...model.parameters].map(([name, { value }]) => [name, value.shape.join("x")]);
  return Object.fromEntries(entries);
}

function storedSizes({ parameters }: TrainingSnapshot): Readonly<Record<string, string>> {
  return Object.fromEntries([...parameters].map(([name, { shape }]) => [name, shape.join("x")]));
}
