/**
 * A whole experiment for one seed: dense fine-tuning, then one sparse phase for each recipe, which
 * starts from the dense model and has it as its teacher, as the example's scripts chain them.
 */
import { checkInteger } from "../core/checks.ts";
import type { Backend } from "../kernels/backend.ts";
import type { TokenBatch } from "../model/batch.ts";
import type { ModelConfig } from "../model/config.ts";
import { createParameters, initialiseParameters, type NamedValues } from "../model/parameters.ts";
import type { Profile } from "../prune/config.ts";
import { releaseParameters } from "../tensor/parameter.ts";
import {
  type StoredParameters,
  setParametersInto,
  storedParameters,
  type TrainingCheckpoint,
} from "./checkpoint.ts";
import { evaluate } from "./evaluation.ts";
import { padExamples, type TokenisedExample } from "./examples.ts";
import type { ExperimentEvent, MeasuredModel, PhaseId, PhaseResult } from "./experiment-events.ts";
import { summariseEpochs } from "./experiment-summary.ts";
import { type FineTuning, fineTune } from "./loop.ts";
import { pruneAtOnceInto } from "./one-shot.ts";
import { densePhaseSettings, sparsePhaseSettings } from "./phases.ts";
import type { Recipe } from "./recipes.ts";
import { startPruning } from "./session.ts";
import type { TrainingSettings } from "./settings.ts";
import { type LabelledBatch, sequenceClassifier, type TrainableModel } from "./trainable-model.ts";

/** What {@link runExperiment} needs. */
export interface ExperimentOptions {
  readonly backend: Backend;
  readonly config: ModelConfig;
  /** Recipes of one dense phase; those without a sparse phase add none. At least one. */
  readonly recipes: readonly Recipe[];
  readonly trainingRows: readonly TokenisedExample[];
  readonly evaluationRows: readonly TokenisedExample[];
  readonly seed: number;
  /** Default `inc`. */
  readonly profile?: Profile;
  /** Stored tensors to start from; default: random initialisation from the seed. */
  readonly initialTensors?: ReadonlyMap<string, NamedValues>;
  /** The given tensors are fine-tuned already: no dense phase. Default false. */
  readonly skipDense?: boolean;
  /** Another teacher; default: the dense model. */
  readonly teacher?: {
    readonly config: ModelConfig;
    readonly tensors: ReadonlyMap<string, NamedValues>;
  };
  /** Takes the place of every recipe's pruning configuration; in INC's keys. */
  readonly pruningConfig?: unknown;
  readonly signal?: AbortSignal;
  readonly resumeFrom?: ExperimentCheckpoint;
}

/** An experiment's state between two steps, as plain data. `version` changes when its meaning does. */
export interface ExperimentCheckpoint {
  readonly version: 1;
  /** Index of the phase under way: 0 is dense, then one for each sparse recipe. */
  readonly phase: number;
  readonly training: TrainingCheckpoint | null;
  /** The dense model once its phase is over. */
  readonly dense: StoredParameters | null;
  readonly results: readonly PhaseResult[];
  /** Evaluations of the phase under way, for its best epoch. */
  readonly epochs: readonly MeasuredModel[];
}

/** A running experiment: iterate it for its events. */
export interface Experiment extends AsyncIterable<ExperimentEvent> {
  /** Results of the phases that are over. */
  results(): readonly PhaseResult[];
  /** Values of the model under way, copied; at a `result` event, the finished phase's. */
  weights(): StoredParameters;
  checkpoint(): ExperimentCheckpoint;
  /** Gives all memory back. */
  release(): void;
}

/** One phase of the plan: the dense one, or a recipe's sparse one. */
interface Phase {
  readonly id: PhaseId;
  readonly recipe: Recipe;
  readonly epochs: number;
  readonly batchSize: number;
  readonly settings: TrainingSettings;
}

type Classifier = TrainableModel<TokenBatch & LabelledBatch>;

interface Run {
  readonly options: ExperimentOptions;
  readonly phases: readonly Phase[];
  readonly student: Classifier;
  teacher: Classifier | null;
  /** Index of the phase under way. */
  phase: number;
  training: FineTuning | null;
  oneShot: MeasuredModel | null;
  epochs: readonly MeasuredModel[];
  dense: StoredParameters | null;
  results: readonly PhaseResult[];
}

/**
 * Runs an experiment. Wrong input is refused here, before anything is trained. Aborting ends it at a
 * step's boundary with an `end` event that is not completed; its checkpoint then resumes to the same
 * bytes as an uninterrupted run.
 *
 * @throws InputError for tensors that do not fit the model, a wrong pruning configuration, or a
 *   checkpoint of another run
 * @throws RangeError when there are no recipes or no rows
 */
export function runExperiment(options: ExperimentOptions): Experiment {
  checkOptions(options);
  const { resumeFrom } = options;
  const run: Run = {
    options,
    phases: planPhases(options),
    student: createStudent(options),
    teacher: null,
    phase: resumeFrom?.phase ?? 0,
    training: null,
    oneShot: null,
    epochs: resumeFrom?.epochs ?? [],
    dense: resumeFrom?.dense ?? null,
    results: resumeFrom?.results ?? [],
  };
  for (const { settings } of run.phases) startPruning(run.student, settings);
  startPhase(run, resumeFrom?.training);
  return {
    [Symbol.asyncIterator]: () => experimentEvents(run),
    results: () => run.results,
    weights: () => storedParameters(run.student.parameters),
    checkpoint: () => captureExperiment(run),
    release: () => releaseRun(run),
  };
}

function checkOptions({ recipes, trainingRows, evaluationRows, seed }: ExperimentOptions): void {
  checkInteger("seed", seed);
  const lists = { recipes, trainingRows, evaluationRows };
  for (const [name, list] of Object.entries(lists)) {
    if (list.length === 0) throw new RangeError(`${name}: expected at least one, got none`);
  }
}

function createStudent({ backend, config, seed, initialTensors }: ExperimentOptions): Classifier {
  const parameters =
    initialTensors === undefined
      ? initialiseParameters(backend, config, seed)
      : createParameters(backend, config, initialTensors, { initialiseHead: { seed } });
  return sequenceClassifier(config, parameters);
}

function planPhases(options: ExperimentOptions): readonly Phase[] {
  const { recipes, seed, profile = "inc", trainingRows, skipDense = false } = options;
  const context = { seed, profile, exampleCount: trainingRows.length };
  return [
    ...recipes.slice(0, 1).map(
      (recipe): Phase => ({
        id: { phase: "dense", recipe: recipe.name, pattern: "dense", seed },
        recipe,
        epochs: skipDense ? 0 : recipe.dense.epochs,
        batchSize: recipe.dense.batchSize,
        settings: densePhaseSettings(recipe.dense, context),
      }),
    ),
    ...recipes.flatMap((recipe): readonly Phase[] => {
      const { sparse } = recipe;
      if (sparse === null) return [];
      const { epochs, batchSize } = sparse;
      const pattern = sparse.pattern ?? "mixed";
      const settings = sparsePhaseSettings(sparse, context, options.pruningConfig);
      const id = { phase: "sparse", recipe: recipe.name, pattern, seed } as const;
      return [{ id, recipe, epochs, batchSize, settings }];
    }),
  ];
}

/** Begins the phase under way, or takes it up from a checkpoint; does nothing after the last. */
function startPhase(run: Run, resumeFrom?: TrainingCheckpoint | null): void {
  const { options, student } = run;
  const phase = run.phases[run.phase];
  if (phase === undefined) return;
  const { epochs, batchSize, settings } = phase;
  if (run.dense !== null) {
    run.teacher ??= createTeacher(options, run.dense);
    setParametersInto(student.parameters, run.dense);
    run.oneShot = pruneAtOnceInto(options.backend, student, settings, evaluationSource(run, phase));
    setParametersInto(student.parameters, run.dense);
  }
  run.training = fineTune({
    backend: options.backend,
    model: student,
    trainingRows: options.trainingRows,
    evaluationRows: options.evaluationRows,
    evaluationBatchSize: phase.recipe.evaluationBatchSize,
    collate: collateExamples(options),
    epochs,
    batchSize,
    settings,
    ...(run.teacher === null ? {} : { teacher: run.teacher }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(resumeFrom ? { resumeFrom } : {}),
  });
}

function createTeacher({ backend, config, teacher }: ExperimentOptions, dense: StoredParameters) {
  const { config: teacherConfig, tensors } = teacher ?? { config, tensors: dense };
  return sequenceClassifier(teacherConfig, createParameters(backend, teacherConfig, tensors));
}

function collateExamples({ config }: ExperimentOptions) {
  return (examples: readonly TokenisedExample[]) =>
    padExamples(examples, config.padTokenId, config.labels === 1);
}

function evaluationSource({ options }: Run, { recipe }: Phase) {
  const { evaluationRows: rows } = options;
  return { rows, collate: collateExamples(options), batchSize: recipe.evaluationBatchSize };
}

async function* experimentEvents(run: Run): AsyncGenerator<ExperimentEvent, void, void> {
  for (;;) {
    const phase = run.phases[run.phase];
    if (phase === undefined || run.training === null) return yield { type: "end", completed: true };
    for await (const event of run.training) {
      if (event.type === "epoch" && event.evaluation !== null) {
        const { evaluation, sparsity } = event;
        run.epochs = [...run.epochs, { evaluation, sparsity }];
      }
      yield { type: "training", ...phase.id, event };
      if (event.type === "end" && !event.completed) return yield { type: "end", completed: false };
    }
    const result = phaseResult(run, phase);
    yield { type: "result", result };
    finishPhase(run, phase, result);
    startPhase(run);
  }
}

function phaseResult(run: Run, phase: Phase): PhaseResult {
  const { backend } = run.options;
  const epochs =
    run.epochs.length > 0
      ? run.epochs
      : [
          {
            evaluation: evaluate(backend, run.student, evaluationSource(run, phase)),
            sparsity: null,
          },
        ];
  return {
    ...phase.id,
    profile: phase.settings.profile,
    variant: backend.kernels.variant,
    metric: phase.recipe.metric,
    oneShot: run.oneShot,
    ...summariseEpochs(epochs, phase.recipe.metric),
  };
}

/** Releases the phase's optimizer and moves on; the dense phase leaves its model to the others. */
function finishPhase(run: Run, { id }: Phase, result: PhaseResult): void {
  if (id.phase === "dense") run.dense = storedParameters(run.student.parameters);
  run.training?.release();
  run.training = null;
  run.oneShot = null;
  run.epochs = [];
  run.results = [...run.results, result];
  run.phase++;
}

function captureExperiment(run: Run): ExperimentCheckpoint {
  const { phase, training, dense, results, epochs } = run;
  return { version: 1, phase, training: training?.checkpoint() ?? null, dense, results, epochs };
}

function releaseRun(run: Run): void {
  run.training?.release();
  run.training = null;
  releaseParameters(run.student.parameters);
  if (run.teacher !== null) releaseParameters(run.teacher.parameters);
}
