/** Fine-tunes a model. The run is an async iterator of events: epochs of steps, with an evaluation after each epoch. */

import { sumOf } from "../core/sum.ts";
import type { PruningState } from "../prune/state.ts";
import { zeroGradients } from "../tensor/parameter.ts";
import { bucketedBatches, shuffledBatches } from "./batches.ts";
import {
  checkOutputs,
  checkWeights,
  DivergenceError,
  divergenceOf,
  notFiniteWeight,
} from "./divergence.ts";
import { predict, type RowSource, rowsAt, scorePredictions } from "./evaluation.ts";
import type {
  EndEvent,
  EpochEvent,
  Evaluation,
  SparsityReport,
  StartEvent,
  StepEvent,
  TrainingEvent,
} from "./events.ts";
import { checkFineTuneOptions, type FineTuneOptions } from "./fine-tune-options.ts";
import { namingRow } from "./labels.ts";
import { narrowLayers } from "./narrow-layers.ts";
import { shownPruning } from "./pruning-steps.ts";
import { createSession, releaseSession, type TrainingSession } from "./session.ts";
import {
  captureSnapshot,
  type RunProgress,
  restoreSnapshotInto,
  type TrainingSnapshot,
  trainingTerms,
} from "./snapshot.ts";
import {
  gaugeSparsity,
  prunedLayerNames,
  type SparsityGauge,
  sparsityReport,
  targetSparsities,
} from "./sparsity.ts";
import { accumulatedStepInto, type StepResult, sparseProducts } from "./step.ts";
import { updateSizes, updatesByEpoch } from "./stepping.ts";
import { type LabelledBatch, layerRecords } from "./trainable-model.ts";

export type { FineTuneOptions };

/** A training run. Iterating over it runs the training, and is possible only once. */
export interface FineTuning extends AsyncIterable<TrainingEvent> {
  /** Returns the state of the run. Call it between two events or after the last event. */
  snapshot(): TrainingSnapshot;
  /**
   * Frees the memory of the optimizer. The model stays usable, but the run cannot go on and no more snapshots can be
   * taken. A second call does nothing.
   */
  release(): void;
}

/** The time in milliseconds after which training yields to the event loop. */
const TURN_INTERVAL = 30;

/**
 * Trains a model, and prunes it during training if the settings have a pruning configuration. The iterator yields to
 * the event loop between steps, so timers and signals still work. If the iteration ends early, by `break` or `signal`,
 * training stops after the current step and can be resumed from the run's `snapshot()`. If a loss, a logit or a weight
 * is not finite, the run ends with an event that says at which step it diverged.
 *
 * @throws InputError for an invalid pruning configuration, or a snapshot from which this run cannot continue
 * @throws TypeError or RangeError for any other invalid option
 *
 * @example A custom model and rows: a two-layer perceptron that learns which of two numbers is larger while three
 *   quarters of its hidden weights are pruned.
 * ```ts
 * import { createBackend, createParameter, fineTune, input, linear, relu } from "espalier/nn";
 * import { type Tape, trainingSettings } from "espalier/nn";
 *
 * const backend = createBackend();
 * const noise = (i: number) => Math.sin(i * i + i);
 * const parameter = (name: string, ...shape: number[]) =>
 *   createParameter(backend, name, shape, new Float32Array(64).map((_, i) => noise(i) / 2).slice(0, shape.reduce((a, b) => a * b)));
 * const hidden = parameter("hidden.weight", 16, 4);
 * const bias = parameter("hidden.bias", 16);
 * const output = parameter("output.weight", 2, 16);
 * const collate = (rows: readonly number[][]) => ({
 *   features: Float32Array.from(rows.flat()),
 *   labels: Int32Array.from(rows, ([a = 0, b = 0]) => (a > b ? 1 : 0)),
 * });
 * const model = {
 *   parameters: new Map([hidden, bias, output].map((each) => [each.name, each])),
 *   forward(tape: Tape, { features, labels }: ReturnType<typeof collate>) {
 *     const x = input(tape, [labels.length, 4], features);
 *     return { logits: linear(tape, relu(tape, linear(tape, x, hidden, bias)), output) };
 *   },
 * };
 * const rows = Array.from({ length: 256 }, (_, i) => [1, 2, 3, 4].map((j) => noise(4 * i + j)));
 * const pruning = { pattern: "4x1", target_sparsity: 0.75, start_step: 64, end_step: 256, pruning_frequency: 16 };
 * const settings = trainingSettings({ optimizer: { learningRate: 0.01 }, pruning });
 * const run = fineTune({ backend, model, collate, trainingRows: rows, evaluationRows: rows, epochs: 30, batchSize: 16, settings });
 * for await (const event of run) {
 *   if (event.type !== "epoch" || event.epoch < 30) continue;
 *   if (event.sparsity?.prunedBlocks.zeros !== 12) throw new Error("expected 12 of 16 blocks pruned");
 *   if ((event.evaluation?.accuracy ?? 0) < 0.95) throw new Error("expected an accuracy of 0.95");
 * }
 * ```
 */
export function fineTune<Row, Batch extends LabelledBatch>(
  options: FineTuneOptions<Row, Batch>,
): FineTuning {
  checkFineTuneOptions(options);
  return new Run(options);
}

class Run<Row, Batch extends LabelledBatch> implements FineTuning {
  readonly #options: FineTuneOptions<Row, Batch>;
  readonly #session: TrainingSession<Batch>;
  /** The number of batches of each update in an epoch, and the number of updates of each epoch. */
  readonly #updateSizes: readonly number[];
  readonly #updates: readonly number[];
  #progress: RunProgress = { reportedEpochs: 0, lossSum: 0 };
  #gauge: SparsityGauge | null = null;
  #terms: ReturnType<typeof trainingTerms> | null = null;
  #begun = false;

  constructor(options: FineTuneOptions<Row, Batch>) {
    const { backend, model, settings, teacher = null, teacherMemory, resumeFrom } = options;
    this.#options = options;
    this.#session = createSession(backend, model, settings, teacher, teacherMemory);
    const batches = Math.ceil(options.trainingRows.length / options.batchSize);
    this.#updateSizes = updateSizes(batches, settings);
    this.#updates = updatesByEpoch(batches, options.epochs, settings);
    try {
      if (resumeFrom !== undefined)
        this.#progress = restoreSnapshotInto(this.#session, resumeFrom, this.#runTerms());
      const found = notFiniteWeight(model.parameters);
      if (found !== undefined) throw new RangeError(`model: expected finite weights, got ${found}`);
    } catch (error) {
      this.release();
      throw error;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainingEvent, void, void> {
    this.#checkHeld();
    if (this.#begun) throw new RangeError("run: expected one iteration, got a second one");
    this.#begun = true;
    try {
      yield* this.#train();
    } catch (error) {
      if (!(error instanceof DivergenceError)) throw error;
      const { step, model } = this.#session;
      yield this.#end(false, divergenceOf(error, step, model.parameters));
    }
  }

  async *#train(): AsyncGenerator<TrainingEvent, void, void> {
    const { signal } = this.#options;
    const session = this.#session;
    const turn = eventLoopTurns();
    // A backward pass of the caller may have left gradients.
    zeroGradients(session.backend, session.model.parameters);
    yield this.#start();
    while (this.#progress.reportedEpochs < this.#updates.length) {
      const epoch = this.#progress.reportedEpochs;
      const done = session.step - sumOf(this.#updates.slice(0, epoch), (updates) => updates);
      for (const parts of this.#parts(epoch).slice(done)) {
        await turn();
        if (signal?.aborted) return yield this.#stopped();
        yield this.#step(parts);
      }
      if (signal?.aborted) return yield this.#stopped();
      yield this.#finishEpoch();
    }
    yield this.#end(true);
  }

  snapshot(): TrainingSnapshot {
    this.#checkHeld();
    return captureSnapshot(this.#session, this.#progress, this.#runTerms());
  }

  release(): void {
    releaseSession(this.#session);
  }

  #checkHeld(): void {
    if (this.#session.released)
      throw new RangeError("run: expected one in use, got a released one");
  }

  #runTerms(): ReturnType<typeof trainingTerms> {
    const { trainingRows, batchSize, rowLength = () => 0 } = this.#options;
    this.#terms ??= trainingTerms(this.#session, trainingRows, batchSize, rowLength);
    return this.#terms;
  }

  #batches(epoch: number): readonly Uint32Array[] {
    const { trainingRows, rowLength = () => 0, batchSize, settings } = this.#options;
    const { batching, seed } = settings;
    switch (batching) {
      case "shuffled":
        return shuffledBatches(trainingRows.length, batchSize, seed, epoch);
      case "bucketed":
        return bucketedBatches(trainingRows.map(rowLength), batchSize, seed, epoch);
      default:
        return batching satisfies never;
    }
  }

  /** Returns the batches of each update of an epoch. */
  #parts(epoch: number): readonly (readonly Uint32Array[])[] {
    const batches = this.#batches(epoch);
    let begun = 0;
    return this.#updateSizes.slice(0, this.#updates[epoch]).map((size) => {
      begun += size;
      return batches.slice(begun - size, begun);
    });
  }

  #start(): StartEvent {
    const { model, step } = this.#session;
    const state = this.#shown();
    return {
      type: "start",
      epochs: this.#updates.length,
      stepsPerEpoch: this.#updateSizes.length,
      totalSteps: sumOf(this.#updates, (updates) => updates),
      completedSteps: step,
      prunedLayers: state === null ? [] : prunedLayerNames(state, layerRecords(model)),
    };
  }

  /** The states of all pruners; null in dense training. */
  #shown(): PruningState | null {
    const { pruning, model } = this.#session;
    return pruning === null ? null : shownPruning(pruning, layerRecords(model));
  }

  #sparsity(state: PruningState): SparsityReport {
    const { pruning, model } = this.#session;
    const narrow = pruning === null ? undefined : narrowLayers(pruning);
    const report = sparsityReport(state, layerRecords(model));
    return narrow === undefined ? report : { ...report, narrow };
  }

  #step(parts: readonly Uint32Array[]): StepEvent {
    this.#checkHeld();
    const result = this.#update(parts);
    const { reportedEpochs, lossSum } = this.#progress;
    this.#progress = { reportedEpochs, lossSum: lossSum + result.loss };
    const state = this.#shown();
    this.#gauge = state === null ? null : gaugeSparsity(state, this.#gauge);
    return {
      type: "step",
      step: this.#session.step,
      epoch: reportedEpochs + 1,
      ...result,
      targetSparsity: state === null ? null : Math.max(0, ...targetSparsities(state)),
      reachedSparsity: this.#gauge?.share ?? null,
    };
  }

  #update(parts: readonly Uint32Array[]): StepResult {
    const { collate, trainingRows } = this.#options;
    let [current] = parts;
    try {
      return accumulatedStepInto(this.#session, parts, (indices) => {
        current = indices;
        return collate(rowsAt(trainingRows, indices));
      });
    } catch (error) {
      throw namingRow(error, "trainingRows", current);
    }
  }

  #finishEpoch(): EpochEvent {
    this.#checkHeld();
    const { evaluationRows: rows = [], batchSize, evaluationBatchSize, collate } = this.#options;
    const { evaluateEvery = 1 } = this.#options;
    const epochs = this.#updates.length;
    const { model, step } = this.#session;
    const state = this.#shown();
    const source = { rows, collate, batchSize: evaluationBatchSize ?? batchSize };
    const { reportedEpochs, lossSum } = this.#progress;
    const epoch = reportedEpochs + 1;
    const isEvaluated = rows.length > 0 && (epochs - epoch) % evaluateEvery === 0;
    checkWeights(step, model.parameters);
    const event: EpochEvent = {
      type: "epoch",
      epoch,
      step,
      trainingLoss: lossSum / (this.#updates[reportedEpochs] ?? 1),
      evaluation: isEvaluated ? this.#evaluate(source) : null,
      sparsity: state === null ? null : this.#sparsity(state),
    };
    this.#progress = { reportedEpochs: epoch, lossSum: 0 };
    return event;
  }

  #evaluate(source: RowSource<Row, Batch>): Evaluation {
    const { backend, model, step } = this.#session;
    try {
      const predictions = predict(backend, model, source, sparseProducts(this.#session));
      checkOutputs(step, predictions.loss, predictions.logits);
      return scorePredictions(predictions);
    } catch (error) {
      throw namingRow(error, "evaluationRows");
    }
  }

  /** Ends a run that its signal has stopped. */
  #stopped(): EndEvent {
    checkWeights(this.#session.step, this.#session.model.parameters);
    return this.#end(false);
  }

  #end(completed: boolean, diverged: string | null = null): EndEvent {
    return { type: "end", step: this.#session.step, completed, diverged };
  }
}

/**
 * Returns a function that yields to the event loop if {@link TURN_INTERVAL} has passed since it last did. This does not
 * change results.
 */
function eventLoopTurns(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < TURN_INTERVAL) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    last = performance.now();
  };
}
