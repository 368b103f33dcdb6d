/**
 * Measures the final models of a run's first seed as a program uses them: loaded from their directories, with the
 * fastest execution for their zeros. Nothing here changes a model or a metric of the run.
 */

import { packedFileBytes } from "../checkpoint/pack.ts";
import type { StopSignal } from "../core/abort.ts";
import { checkKind } from "../core/checks.ts";
import { getOrThrow } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import type { PhaseId } from "../experiment/events.ts";
import { problemTypeOf } from "../experiment/given-rows.ts";
import type { TextRow } from "../io/rows/row-reader.ts";
import { encode } from "../io/tokenizer.ts";
import type { Backend } from "../kernels/backend.ts";
import type { RowError } from "../report/run-report.ts";
import type { SparseClassifier } from "../sparse/classifier.ts";
import type { CostModel } from "../sparse/cost-model.ts";
import { padExamples, type TokenisedExample } from "../train/examples.ts";
import { unpackRows } from "../train/packed-rows.ts";
import { outputMeaning } from "./model-labels.ts";
import { longestInput, type RunPlan } from "./plan.ts";
import type { OutputMeaning } from "./prediction.ts";
import type { MeasuredFinal, MeasuredFinals, RunOutcome } from "./report.ts";
import { largestErrors, predictionText } from "./row-errors.ts";
import type { SeedPlatform } from "./seed.ts";
import { openClassifier } from "./sparse-classifier.ts";
import type { RunStorage } from "./storage.ts";
import { openStoredCheckpoint } from "./stored-checkpoint.ts";

/** Returns the texts of evaluation rows by their indices, which ascend. A row whose text is not known is left out. */
export type EvaluationTexts = (rows: readonly number[]) => Promise<ReadonlyMap<number, TextRow>>;

interface MeasureOptions {
  readonly threads: number;
  readonly signal: StopSignal | undefined;
  /** The number of errors to list with their texts. */
  readonly errors: number;
  readonly texts: EvaluationTexts | undefined;
}

const BATCH_SIZE = 32;
/** For batches of this many tokens or more, the cost of every execution is proportional to the number of tokens. */
const PROPORTIONAL_TOKENS = 128;
/** Speed is measured on at most this many batches. */
const TIMED_BATCHES = 8;
/** Each of them is computed this many times: more often if it takes few milliseconds. */
const LEAST_TURNS = 3;
const MOST_TURNS = 40;
/** The milliseconds after which a batch is not computed again. */
const LEAST_TIME = 60;

/** Rows of similar length, and their indices. */
interface RowBatch {
  readonly rows: readonly number[];
  readonly examples: readonly TokenisedExample[];
}

/** Work that stops with undefined after an abort. */
interface Work {
  readonly storage: RunStorage;
  readonly backend: Backend;
  readonly meaning: OutputMeaning;
  readonly signal: StopSignal | undefined;
  readonly batches: readonly RowBatch[];
  /** The batches on which speed is measured. */
  readonly timed: readonly RowBatch[];
}

/** Measures the final models of the first seed. Returns undefined after an abort, or if no phase has ended. */
export async function measureFinals(
  { storage, startBackend }: SeedPlatform,
  plan: RunPlan,
  outcome: RunOutcome,
  options: MeasureOptions,
): Promise<MeasuredFinals | undefined> {
  const phases = (outcome.seeds[0]?.phases ?? []).filter(({ result }) => result !== null);
  const [first] = phases;
  const { threads, signal } = options;
  if (first === undefined || signal?.aborted === true) return undefined;
  const rows = unpackRows(plan.evaluationRows);
  // A configuration may leave the problem type to the labels.
  const meaning = { ...outputMeaning(plan.config), problemType: problemTypeOf(plan.config, rows) };
  const batches = batchesByLength(rows);
  const timed = timedBatches(batches);
  const backend = await startBackend({ variant: plan.variant, threads });
  const work = { storage, backend, meaning, signal, batches, timed };
  let found: ReadonlyMap<string, MeasuredPhase> | undefined;
  try {
    found = await measurePhases(work, plan, phases, outcome.modelDirectory, options);
  } finally {
    backend.stop();
  }
  if (found === undefined) return undefined;
  const timedRows = sumOf(timed, (batch) => batch.rows.length);
  const { variant } = backend.kernels;
  const shown = `${timedRows} of ${plan.evaluationRows.length}`;
  return {
    note: measurementNote(shown, first.seed, threads, variant),
    of: (phase) => {
      const measured = found.get(keyOf(phase));
      if (phase.seed !== first.seed || measured === undefined) return undefined;
      const { times, ...final } = measured;
      return { ...final, rowsPerSecond: (1000 * timedRows) / sumOf(times, (time) => time) };
    },
  };
}

/** What was measured on the model of a phase, with the fastest milliseconds of each timed batch. */
interface MeasuredPhase extends Omit<MeasuredFinal, "rowsPerSecond"> {
  readonly times: readonly number[];
}

/** Measures the dense model, then each sparse one beside it. */
async function measurePhases(
  work: Work,
  plan: RunPlan,
  phases: readonly PhaseId[],
  directoryOf: (phase: PhaseId) => string,
  options: MeasureOptions,
): Promise<ReadonlyMap<string, MeasuredPhase> | undefined> {
  const measured = new Map<string, MeasuredPhase>();
  let dense: { readonly classifier: SparseClassifier; readonly logits: Float32Array } | undefined;
  let costs: CostModel | undefined;
  for (const phase of phases) {
    const isDense = phase.phase === "dense";
    const directory = directoryOf(phase);
    const classifier = await loadFinal(work, directory, isDense ? "dense" : costs);
    const logits = await computeAll(work, classifier);
    const beside = dense === undefined ? [] : [dense.classifier];
    const found = logits && (await fastestTimes(work, [classifier, ...beside]));
    if (logits === undefined || found === undefined) return undefined;
    const [times = [], denseTimes = []] = found;
    const rows = await errorRows(plan, work.meaning, logits, dense?.logits, options);
    for (const [key, known] of measured)
      if (key.startsWith("dense")) measured.set(key, withTimes(known, denseTimes));
    measured.set(keyOf(phase), {
      times,
      bytes: await fileBytes(work.storage, directory, !isDense),
      ...valuesOf(plan, work.meaning, logits),
      ...(rows.length === 0 ? {} : { errors: rows }),
    });
    if (isDense) dense = { classifier, logits };
    else {
      costs = classifier.costs;
      classifier.release();
    }
  }
  return measured;
}

function withTimes(known: MeasuredPhase, times: readonly number[]): MeasuredPhase {
  return { ...known, times: known.times.map((time, i) => Math.min(time, times[i] ?? time)) };
}

function measurementNote(rows: string, seed: number, threads: number, variant: string): string {
  return [
    `Speed is that of the saved models of seed ${seed} on ${rows} evaluation rows, already tokenized, in batches of at most ${BATCH_SIZE} rows of similar length, with ${threads} ${threads === 1 ? "thread" : "threads"} and ${variant} kernels.`,
    "Dense and sparse models take turns, and the fastest time of each batch counts.",
    "Files are those of weights; espalier pack makes the packed one.",
  ].join(" ");
}

/** Returns the values and predictions of regression with one value a row. */
function valuesOf(
  { evaluationRows }: RunPlan,
  { problemType, names }: OutputMeaning,
  logits: Float32Array,
): Pick<MeasuredFinal, "values"> {
  if (problemType !== "regression" || names.length !== 1) return {};
  return { values: Array.from(evaluationRows.labels, (value, i) => [value, logits[i] ?? 0]) };
}

function keyOf({ phase, recipe }: PhaseId): string {
  return `${phase} ${recipe}`;
}

function batchesByLength(rows: readonly TokenisedExample[]): readonly RowBatch[] {
  const order = [...rows.entries()].sort(([, a], [, b]) => a.inputIds.length - b.inputIds.length);
  return Array.from({ length: Math.ceil(order.length / BATCH_SIZE) }, (_, i) => {
    const own = order.slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE);
    return { rows: own.map(([row]) => row), examples: own.map(([, example]) => example) };
  });
}

/** Chooses batches of all lengths. */
function timedBatches(batches: readonly RowBatch[]): readonly RowBatch[] {
  const step = Math.max(1, batches.length / TIMED_BATCHES);
  return batches.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
}

/** Loads a model for batches like the first one; `costs` are those of an earlier model, or `dense`. */
async function loadFinal(
  { storage, backend, batches: [first] }: Work,
  directory: string,
  costs: CostModel | "dense" | undefined,
): Promise<SparseClassifier> {
  const open = await openClassifier(storage, directory, undefined);
  try {
    const tokens = sumOf(first?.examples ?? [], ({ inputIds }) => inputIds.length);
    return open.create(backend, {
      executions: costs === "dense" ? "dense" : "auto",
      tokens: Math.min(PROPORTIONAL_TOKENS, tokens),
      ...(costs !== "dense" && costs && { costs }),
    });
  } finally {
    open.close();
  }
}

/** Computes the logits of all rows, [rows, outputs]. */
async function computeAll(
  { meaning, signal, batches }: Work,
  classifier: SparseClassifier,
): Promise<Float32Array | undefined> {
  const outputs = meaning.names.length;
  const logits = new Float32Array(outputs * sumOf(batches, ({ rows }) => rows.length));
  for (const batch of batches) {
    await eventLoopTurn();
    if (signal?.aborted === true) return undefined;
    const own = classifier.logits(paddedBatch(batch, classifier, meaning));
    batch.rows.forEach((row, i) => {
      logits.set(own.subarray(i * outputs, (i + 1) * outputs), row * outputs);
    });
  }
  return logits;
}

/** Returns the fastest milliseconds of each classifier for each batch. The classifiers take turns. */
async function fastestTimes(
  { meaning, signal, timed }: Work,
  classifiers: readonly SparseClassifier[],
): Promise<readonly (readonly number[])[] | undefined> {
  const fastest = classifiers.map(() => timed.map(() => Infinity));
  for (const [i, batch] of timed.entries()) {
    await eventLoopTurn();
    if (signal?.aborted === true) return undefined;
    let total = 0;
    for (let turn = 0; turn < LEAST_TURNS || (turn < MOST_TURNS && total < LEAST_TIME); turn++)
      classifiers.forEach((classifier, which) => {
        const padded = paddedBatch(batch, classifier, meaning);
        const before = performance.now();
        classifier.logits(padded);
        const time = performance.now() - before;
        const own = fastest[which];
        if (own !== undefined) own[i] = Math.min(own[i] ?? Infinity, time);
        total += time;
      });
  }
  return fastest;
}

function paddedBatch(
  { examples }: RowBatch,
  { config }: SparseClassifier,
  { problemType }: OutputMeaning,
) {
  return padExamples(examples, config.padTokenId, problemType);
}

/** Lets signal handlers run between batches. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Finds the largest errors of a model, with their texts. Errors whose texts are not known are left out. */
async function errorRows(
  plan: RunPlan,
  meaning: OutputMeaning,
  logits: Float32Array,
  dense: Float32Array | undefined,
  { errors: count, texts }: MeasureOptions,
): Promise<readonly RowError[]> {
  if (texts === undefined || count === 0) return [];
  const found = largestErrors(meaning, logits, plan.evaluationRows.labels, count);
  const rows = found.map(({ row }) => row).toSorted((a, b) => a - b);
  const known = rows.length === 0 ? new Map<number, TextRow>() : await texts(rows);
  checkKind(known instanceof Map, "evaluationTexts", "a function that resolves to a Map", known);
  const examples = unpackRows(plan.evaluationRows);
  return found.flatMap(({ row, ...error }) => {
    const text = known.get(row);
    // A file may have changed since its rows were read.
    if (text === undefined || !hasTokens(plan, text, examples[row])) return [];
    const beside = dense && { dense: predictionText(meaning, dense, row) };
    return { text: text.text, textPair: text.textPair, ...error, ...beside };
  });
}

function hasTokens(
  plan: RunPlan,
  { text, textPair }: TextRow,
  example: TokenisedExample | undefined,
): boolean {
  const { inputIds } = encode(plan.tokenizer, text, textPair ?? undefined, longestInput(plan));
  return (
    inputIds.length === example?.inputIds.length &&
    inputIds.every((id, i) => id === example.inputIds[i])
  );
}

/** Returns the size of a model's weights in their files, and of the packed file that they make. */
async function fileBytes(
  storage: RunStorage,
  directory: string,
  isPacked: boolean,
): Promise<MeasuredFinal["bytes"]> {
  const checkpoint = getOrThrow(
    await (storage.openCheckpoint?.(directory) ?? openStoredCheckpoint(storage, directory)),
  );
  try {
    const plain = sumOf(checkpoint.files, ({ bytes }) => bytes);
    return { plain, packed: isPacked ? await packedFileBytes({ checkpoint }) : null };
  } finally {
    checkpoint.close();
  }
}
