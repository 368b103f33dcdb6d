/**
 * Runs a whole experiment for one seed: dense fine-tuning, then one sparse phase for each recipe. A sparse phase starts
 * from the dense model, which by default is also its teacher, as in the scripts of INC's example.
 */

import type { StopSignal } from "../core/abort.ts";
import { InputError } from "../core/either.ts";
import type { Backend } from "../kernels/backend.ts";
import { padPositions, type TokenBatch } from "../model/batch.ts";
import { createParameters, initialiseParameters } from "../model/parameters.ts";
import { releaseParameters } from "../tensor/parameter.ts";
import { evaluate } from "../train/evaluation.ts";
import type { EpochEvent } from "../train/events.ts";
import { padExamples, type TokenisedExample } from "../train/examples.ts";
import { type FineTuning, fineTune } from "../train/loop.ts";
import {
  type StoredParameters,
  setParametersInto,
  storedParameters,
  type TrainingSnapshot,
} from "../train/snapshot.ts";
import type { TeacherMemory } from "../train/teacher-cache.ts";
import {
  type LabelledBatch,
  sequenceClassifier,
  type TrainableModel,
} from "../train/trainable-model.ts";
import { type BestModel, betterModel, comparedFrom, isOutOfPatience } from "./best-model.ts";
import { changedTerms } from "./changed-terms.ts";
import { checkExperiment } from "./check-experiment.ts";
import type { ExperimentEvent, MeasuredModel, PhaseResult } from "./events.ts";
import { checkLabelSettings, problemTypeOf } from "./given-rows.ts";
import { checkOneShot, pruneAtOnceInto } from "./one-shot.ts";
import {
  type ExperimentDescription,
  type ExperimentPhase,
  type ExperimentTerms,
  experimentTerms,
  mapRows,
  planPhases,
  resolveExperiment,
} from "./plan.ts";

/** Options for {@link runExperiment}. */
export interface ExperimentOptions extends ExperimentDescription {
  readonly backend: Backend;
  readonly seed: number;
  /** The memory and storage in which each sparse phase may cache the teacher's results. */
  readonly teacherMemory?: TeacherMemory | undefined;
  readonly signal?: StopSignal | undefined;
  readonly resumeFrom?: ExperimentSnapshot | undefined;
}

/** The state of an experiment between two steps, as plain data. `version` is the version of this format. */
export interface ExperimentSnapshot {
  readonly version: 3;
  /** Only an experiment with the same terms can continue from this snapshot. */
  readonly terms: ExperimentTerms;
  /** The index of the current phase: 0 for the dense phase, followed by the sparse phases in order. */
  readonly phase: number;
  readonly training: TrainingSnapshot | null;
  /** The weights of the dense model; null until the dense phase is over. */
  readonly dense: StoredParameters | null;
  readonly results: readonly PhaseResult[];
  /** The evaluation and sparsity after the latest epoch of the current phase; null before its first epoch ends. */
  readonly measured: MeasuredModel | null;
  /** The best model of the current phase, if it compares its models and has evaluated one. */
  readonly best?: BestModel;
}

/** A running experiment. Iterating over it trains the models and yields events. It can be iterated over only once. */
export interface Experiment extends AsyncIterable<ExperimentEvent> {
  /** Copies the current model's weights. At a `result` event, it is the model of the phase that has just ended. */
  weights(): StoredParameters;
  snapshot(): ExperimentSnapshot;
  /** Frees all memory. A second call does nothing. */
  release(): void;
}

type Classifier = TrainableModel<TokenBatch & LabelledBatch>;

interface Run {
  readonly options: ExperimentOptions;
  readonly terms: ExperimentTerms;
  readonly student: Classifier;
  teacher: Classifier | null;
  /** The index of the current phase in `terms.phases`. */
  phase: number;
  training: FineTuning | null;
  oneShot: MeasuredModel | null;
  measured: MeasuredModel | null;
  best: BestModel | null;
  dense: StoredParameters | null;
  results: readonly PhaseResult[];
  state: "new" | "iterated" | "released";
}

/**
 * Prepares an experiment, which runs while the caller iterates over it. Invalid input throws here, before anything is
 * trained. After an abort, the experiment ends with the current step. Resuming from its snapshot then gives the same
 * bytes as an uninterrupted run.
 *
 * @throws InputError if the pruning configuration is invalid, or if tensors or the snapshot do not match the experiment
 * @throws RangeError if there are no recipes or no rows, or if the teacher's hidden size differs from the model's
 */
export function runExperiment(options: ExperimentOptions): Experiment {
  checkExperiment(options);
  const { backend, config, seed, initialTensors, resumeFrom } = options;
  const problemType = problemTypeOf(config, options.trainingRows);
  const plan = resolveExperiment(options);
  const terms = experimentTerms(plan, planPhases(plan, seed));
  const problems = resumeFrom ? changedTerms("run", terms, resumeFrom.terms) : [];
  if (problems.length > 0) throw new InputError(problems);
  const parameters =
    initialTensors === undefined
      ? initialiseParameters(backend, config, seed)
      : createParameters(backend, config, initialTensors, { initialiseHead: { seed } });
  const run: Run = {
    options,
    terms,
    student: sequenceClassifier({ ...config, problemType }, parameters),
    teacher: null,
    phase: resumeFrom?.phase ?? 0,
    training: null,
    oneShot: null,
    measured: resumeFrom?.measured ?? null,
    best: resumeFrom?.best ?? null,
    dense: resumeFrom?.dense ?? null,
    results: resumeFrom?.results ?? [],
    state: "new",
  };
  try {
    for (const phase of terms.phases) {
      checkLabelSettings(phase, problemType, config.labels);
      tryPhase(run, phase);
    }
    startPhase(run, resumeFrom?.training);
  } catch (error) {
    releaseRun(run);
    throw error;
  }
  return {
    [Symbol.asyncIterator]: () => experimentEvents(run),
    weights: () => {
      checkHeld(run);
      return storedParameters(run.student.parameters);
    },
    snapshot: () => {
      checkHeld(run);
      return captureExperiment(run);
    },
    release: () => releaseRun(run),
  };
}

/** Sets up a phase and discards the result, so that errors in later phases are found before any training. */
function tryPhase(run: Run, phase: ExperimentPhase): void {
  const { backend, trainingRows } = run.options;
  const { epochs, batchSize, evaluationBatchSize, settings } = phase;
  const { collate } = evaluationSource(run, phase);
  checkOneShot(run.student, settings);
  fineTune({
    ...{ backend, trainingRows, collate, epochs, batchSize, evaluationBatchSize, settings },
    model: run.student,
    teacher: run.student,
    rowLength: rowLengthOf,
  }).release();
}

function rowLengthOf({ inputIds }: TokenisedExample): number {
  return inputIds.length;
}

/** Starts the current phase, or continues it from a snapshot. Does nothing after the last phase. */
function startPhase(run: Run, resumeFrom?: TrainingSnapshot | null): void {
  const { options, student } = run;
  const { backend, trainingRows, evaluationRows, teacherMemory, signal } = options;
  const phase = run.terms.phases[run.phase];
  if (phase === undefined) return;
  const { epochs, batchSize, evaluationBatchSize, evaluateEvery = 1, settings } = phase;
  const evaluation = evaluationSource(run, phase);
  if (run.dense !== null) {
    run.teacher ??= createTeacher(options, run.dense);
    setParametersInto(student.parameters, run.dense);
    run.oneShot = pruneAtOnceInto(backend, student, settings, evaluation);
    setParametersInto(student.parameters, run.dense);
  }
  run.training = fineTune({
    backend,
    model: student,
    trainingRows,
    evaluationRows,
    evaluateEvery,
    evaluationBatchSize,
    collate: evaluation.collate,
    rowLength: rowLengthOf,
    epochs,
    batchSize,
    settings,
    teacher: run.teacher ?? undefined,
    teacherMemory,
    signal,
    resumeFrom: resumeFrom ?? undefined,
  });
}

function createTeacher({ backend, ...options }: ExperimentOptions, dense: StoredParameters) {
  const { config, tensors } = options.teacher ?? { config: options.config, tensors: dense };
  return sequenceClassifier(config, createParameters(backend, config, tensors));
}

function evaluationSource(
  { options, student }: Run,
  { evaluationBatchSize: batchSize, padTo = 0 }: ExperimentPhase,
) {
  const { padTokenId } = options.config;
  const collate = (rows: readonly TokenisedExample[]) =>
    padPositions(padExamples(rows, padTokenId, student.problemType), padTo, padTokenId);
  return { rows: options.evaluationRows, collate, batchSize };
}

function checkHeld({ state }: Run): void {
  if (state === "released")
    throw new RangeError("experiment: expected one in use, got a released one");
}

async function* experimentEvents(run: Run): AsyncGenerator<ExperimentEvent, void, void> {
  checkHeld(run);
  if (run.state !== "new")
    throw new RangeError("experiment: expected one iteration, got a second one");
  run.state = "iterated";
  for (;;) {
    const phase = run.terms.phases[run.phase];
    if (phase === undefined || run.training === null)
      return yield { type: "end", completed: true, diverged: null };
    const { id } = phase;
    const training = isStopped(run, phase) ? [] : run.training;
    for await (const event of training) {
      const compared = event.type === "epoch" ? measureEpoch(run, phase, event) : {};
      yield { type: "training", ...id, event, ...compared };
      if (event.type === "epoch" && isStopped(run, phase)) break;
      if (event.type === "end" && !event.completed) {
        const { diverged } = event;
        return yield {
          type: "end",
          completed: false,
          diverged: diverged && `${id.phase} phase of ${id.recipe}: ${diverged}`,
        };
      }
    }
    if (phase.best?.isSaved && run.best?.weights) {
      setParametersInto(run.student.parameters, run.best.weights);
      run.measured = run.best.measured;
    }
    const result = phaseResult(run, phase);
    yield { type: "result", result };
    finishPhase(run, phase, result);
    startPhase(run);
  }
}

/** Notes the evaluation of an epoch. Returns whether its model is the best so far, if the phase compares models. */
function measureEpoch(
  run: Run,
  { best: rule, settings }: ExperimentPhase,
  event: EpochEvent,
): { readonly isBest?: boolean } {
  const { evaluation, sparsity, epoch, step } = event;
  if (evaluation !== null) run.measured = { evaluation, sparsity };
  if (rule === undefined) return {};
  if (step >= comparedFrom(settings))
    run.best = betterModel(run.best, rule, event, () => storedParameters(run.student.parameters));
  return { isBest: run.best?.epoch === epoch };
}

function isStopped({ best }: Run, { best: rule }: ExperimentPhase): boolean {
  return rule !== undefined && isOutOfPatience(best, rule);
}

function phaseResult(run: Run, phase: ExperimentPhase): PhaseResult {
  const { backend, finalRows } = run.options;
  const final = mapRows(finalRows, (rows) =>
    evaluate(backend, run.student, { ...evaluationSource(run, phase), rows }),
  );
  return {
    ...phase.id,
    ...(final === undefined ? {} : { final }),
    ...(phase.best?.isSaved && run.best ? { bestEpoch: run.best.epoch } : {}),
    profile: phase.settings.profile,
    variant: backend.kernels.variant,
    metric: phase.metric,
    oneShot: run.oneShot,
    last: run.measured ?? {
      evaluation: evaluate(backend, run.student, evaluationSource(run, phase)),
      sparsity: null,
    },
  };
}

/** Ends a phase: releases its training state, and stores the dense model for the sparse phases. */
function finishPhase(run: Run, { id }: ExperimentPhase, result: PhaseResult): void {
  if (id.phase === "dense") run.dense = storedParameters(run.student.parameters);
  run.training?.release();
  run.training = null;
  run.oneShot = null;
  run.measured = null;
  run.best = null;
  run.results = [...run.results, result];
  run.phase++;
}

function captureExperiment(run: Run): ExperimentSnapshot {
  const { phase, dense, results, measured, best } = run;
  const terms = structuredClone(run.terms);
  const training = run.training?.snapshot() ?? null;
  return { version: 3, terms, phase, training, dense, results, measured, ...(best && { best }) };
}

function releaseRun(run: Run): void {
  if (run.state === "released") return;
  run.state = "released";
  run.training?.release();
  run.training = null;
  releaseParameters(run.student.parameters);
  if (run.teacher !== null) releaseParameters(run.teacher.parameters);
}
