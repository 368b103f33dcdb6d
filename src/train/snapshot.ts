/** The state of a training run as plain data. A resumed run computes the same bytes as an uninterrupted run. */
import { describe } from "../core/checks.ts";
import { digestOf } from "../core/digest.ts";
import { InputError, type Problem } from "../core/either.ts";
import { headHooksInto } from "../heads/hooks.ts";
import type { HeadPruningState } from "../heads/state.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { NamedValues } from "../model/parameters.ts";
import { copyPruningState } from "../prune/hooks.ts";
import type { PruningState } from "../prune/state.ts";
import type { Parameters } from "../tensor/parameter.ts";
import { copyHeadStates } from "./pruning-steps.ts";
import type { TrainingSession } from "./session.ts";
import type { TrainingSettings } from "./settings.ts";
import { releaseCompressedWeights } from "./sparse-products.ts";

export interface RunProgress {
  /** The number of epochs that are complete and reported. */
  readonly reportedEpochs: number;
  /** Sum of the losses of all steps so far in the current epoch. */
  readonly lossSum: number;
}

/** Values of a model's parameters by name, in module order, copied from the backend's memory. */
export type StoredParameters = ReadonlyMap<string, NamedValues>;

/** The optimizer's state for one parameter. */
interface StoredSlot {
  readonly updates: number;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

/** The inputs of a run that determine the order and the values of its steps. Large inputs are stored as digests. */
interface TrainingTerms {
  readonly trainingRows: string;
  readonly batchSize: number;
  /** The digest of the rows' lengths, which determine bucketed batches; null for other batches. */
  readonly rowLengths: string | null;
  /** The digest of the teacher's weights; null without a teacher. */
  readonly teacher: string | null;
}

/** Returns the terms of a run. */
export function trainingTerms<Row>(
  { teacher, settings }: TrainingSession<never>,
  rows: readonly Row[],
  batchSize: number,
  rowLength: (row: Row) => number,
): TrainingTerms {
  const weights =
    settings.distillation &&
    teacher &&
    [...teacher.parameters].map(([name, { value }]) => [name, value.data]);
  return {
    trainingRows: `${rows.length} rows of digest ${digestOf(rows)}`,
    batchSize,
    rowLengths: settings.batching === "bucketed" ? digestOf(rows.map(rowLength)) : null,
    teacher: weights && digestOf(weights),
  };
}

/** The state of a run between two steps. `version` changes whenever the meaning of a field changes. */
export interface TrainingSnapshot {
  readonly version: 3;
  /** Only a run with the same terms can continue from this snapshot. */
  readonly terms: TrainingTerms;
  /** The kernel variant of the run. Other variants round differently, so the run can continue only on this one. */
  readonly variant: KernelVariant;
  readonly settings: TrainingSettings;
  /** The number of completed optimizer updates. */
  readonly step: number;
  readonly progress: RunProgress;
  readonly parameters: StoredParameters;
  /** The optimizer's state by parameter name. Fixed parameters have no entry. */
  readonly optimizer: ReadonlyMap<string, StoredSlot>;
  readonly pruning: PruningState | null;
  /** The states of pruners of attention heads. Absent if there are none. */
  readonly heads?: readonly HeadPruningState[];
}

export function storedParameters(parameters: Parameters): StoredParameters {
  return new Map(
    [...parameters].map(([name, { value }]) => [
      name,
      { shape: value.shape, data: value.data.slice() },
    ]),
  );
}

/** Copies stored values into parameters. Parameters without stored values stay unchanged. */
export function setParametersInto(parameters: Parameters, stored: StoredParameters): void {
  for (const { name, value } of parameters.values()) {
    const values = stored.get(name);
    if (values !== undefined) value.data.set(values.data);
  }
}

export function captureSnapshot(
  session: TrainingSession<never>,
  progress: RunProgress,
  terms: TrainingTerms,
): TrainingSnapshot {
  const { backend, model, optimizer, pruning, settings, step } = session;
  const slots = optimizer.slots.map(({ parameter, updates, firstMoment, secondMoment }) => {
    const [first, second] = [firstMoment.data.slice(), secondMoment.data.slice()];
    return [parameter.name, { updates, firstMoment: first, secondMoment: second }] as const;
  });
  return {
    version: 3,
    terms,
    variant: backend.kernels.variant,
    settings: structuredClone(settings),
    step,
    progress: { ...progress },
    parameters: storedParameters(model.parameters),
    optimizer: new Map(slots),
    pruning: pruning === null ? null : copyPruningState(pruning.state),
    ...(pruning === null || pruning.heads.length === 0 ? {} : { heads: copyHeadStates(pruning) }),
  };
}

/**
 * Restores a session from a snapshot, and returns the progress of the run.
 *
 * @throws InputError with every difference if the snapshot has different settings or terms, another kernel variant or
 *   another model; the session is then unchanged
 */
export function restoreSnapshotInto(
  session: TrainingSession<never>,
  snapshot: TrainingSnapshot,
  terms: TrainingTerms,
): RunProgress {
  const problems = resumeProblems(session, snapshot, terms);
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
    for (const [i, state] of (snapshot.heads ?? []).entries()) {
      const heads = session.pruning.heads[i];
      if (heads !== undefined) heads.state = headHooksInto.copyState(state);
    }
  }
  releaseCompressedWeights(session.compressed);
  session.step = snapshot.step;
  return { ...snapshot.progress };
}

/** Returns every reason why a session cannot continue from a snapshot. */
function resumeProblems(
  session: TrainingSession<never>,
  snapshot: TrainingSnapshot,
  { trainingRows, batchSize, rowLengths, teacher }: TrainingTerms,
): readonly Problem[] {
  const { terms } = snapshot;
  return [
    ...snapshotDifferences("variant", session.backend.kernels.variant, snapshot.variant),
    ...snapshotDifferences("settings", session.settings, snapshot.settings),
    ...snapshotDifferences("trainingRows", trainingRows, terms.trainingRows),
    ...snapshotDifferences("batchSize", batchSize, terms.batchSize),
    ...snapshotDifferences("rowLength", rowLengths, terms.rowLengths),
    ...snapshotDifferences("teacher", teacher, terms.teacher),
    ...snapshotDifferences("parameters", parameterSizes(session), storedSizes(snapshot)),
    ...snapshotDifferences(
      "optimizer",
      session.optimizer.slots.map(({ parameter }) => parameter.name),
      [...snapshot.optimizer.keys()],
    ),
  ];
}

/**
 * Returns one problem for each path at which two values of plain data differ. `wanted` is the value in this run,
 * `stored` the value in the snapshot.
 */
export function snapshotDifferences(
  path: string,
  wanted: unknown,
  stored: unknown,
): readonly Problem[] {
  if (Object.is(wanted, stored)) return [];
  if (!isContainer(wanted) || !isContainer(stored)) {
    return [{ path, expected: valueText(wanted), got: `${valueText(stored)} in the snapshot` }];
  }
  const keys = new Set([...Object.keys(wanted), ...Object.keys(stored)]);
  const place = (key: string): string =>
    Array.isArray(wanted) ? `${path}[${key}]` : `${path}.${key}`;
  return [...keys].flatMap((key) => snapshotDifferences(place(key), wanted[key], stored[key]));
}

function valueText(value: unknown): string {
  return value === undefined ? "nothing" : describe(value);
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function parameterSizes({ model }: TrainingSession<never>): Readonly<Record<string, string>> {
  const entries = [...model.parameters].map(([name, { value }]) => [name, value.shape.join("x")]);
  return Object.fromEntries(entries);
}

function storedSizes({ parameters }: TrainingSnapshot): Readonly<Record<string, string>> {
  return Object.fromEntries([...parameters].map(([name, { shape }]) => [name, shape.join("x")]));
}
