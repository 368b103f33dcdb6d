/** Describes a run before it trains: labels, truncated and repeated rows, memory, and time from a few steps of each phase. */
import { counted } from "../core/counted.ts";
import { sumOf } from "../core/sum.ts";
import { runExperiment } from "../experiment/experiment.ts";
import { labelNames } from "../experiment/task-labels.ts";
import { parameterList } from "../model/parameters.ts";
import { elementCount } from "../tensor/shape.ts";
import type { PackedRows } from "../train/packed-rows.ts";
import { measurePhases, type PhaseTimes } from "./phase-times.ts";
import { experimentOf, longestInput, type RunPlan } from "./plan.ts";
import { countRepeated } from "./repeated-rows.ts";
import type { SeedPlatform } from "./seed.ts";

/** What is known about the rows of a set. */
interface RowFacts {
  readonly rows: number;
  /** Rows of as many tokens as the longest input: the longer ones are truncated to it. */
  readonly longest: number;
  /** Rows by the name of each label; null for values. */
  readonly labels: Readonly<Record<string, number>> | null;
}

export interface DryRun {
  readonly training: RowFacts;
  readonly validation: RowFacts;
  /** Validation rows with the tokens of a training row. */
  readonly repeated: number;
  /** Bytes of one seed's weights, gradients, moments, teacher and snapshot, and of the rows, without activations. */
  readonly bytes: number;
  /** Optimizer updates of all phases of one seed. */
  readonly steps: number;
  readonly phases: readonly PhaseTimes[];
  /** Seconds of one seed with evaluations. */
  readonly seconds: number;
}

/** Copies of the parameters: student, gradients, two moments, teacher, and those of a snapshot. */
const COPIES = 9;

/** Checks all phases of a plan, and measures a few steps of each. Writes nothing. */
export async function dryRun(
  { startBackend }: Pick<SeedPlatform, "startBackend">,
  plan: RunPlan,
  seed: number,
  threads: number,
): Promise<DryRun> {
  const { config, trainingRows, evaluationRows } = plan;
  const names = labelNames(config);
  const maxLength = longestInput(plan);
  const factsOf = (rows: PackedRows): RowFacts => ({
    rows: rows.length,
    longest: countLongest(rows, maxLength),
    labels: countLabels(rows, config.labels, (id) => names?.[id] ?? String(id)),
  });
  const parameters = sumOf(parameterList(config), ({ shape }) => elementCount(shape));
  const phases = await checkAndMeasure({ startBackend }, plan, seed, threads);
  return {
    training: factsOf(trainingRows),
    validation: factsOf(evaluationRows),
    repeated: countRepeated(trainingRows, evaluationRows),
    bytes: 4 * COPIES * parameters + rowBytes([trainingRows, evaluationRows]),
    steps: sumOf(phases, ({ steps }) => steps),
    phases,
    seconds: sumOf(phases, ({ seconds }) => seconds),
  };
}

async function checkAndMeasure(
  { startBackend }: Pick<SeedPlatform, "startBackend">,
  plan: RunPlan,
  seed: number,
  threads: number,
): Promise<readonly PhaseTimes[]> {
  const backend = await startBackend({ variant: plan.variant, threads });
  try {
    runExperiment({ ...experimentOf(plan), backend, seed }).release();
    return await measurePhases(backend, plan, seed);
  } finally {
    backend.stop();
  }
}

function countLongest(rows: PackedRows, maxLength: number): number {
  let count = 0;
  for (let row = 0; row < rows.length; row++)
    if ((rows.ends[row] as number) - (rows.begins[row] as number) >= maxLength) count++;
  return count;
}

function countLabels(
  { labels, listLength, length }: PackedRows,
  outputs: number,
  nameOf: (id: number) => string,
): RowFacts["labels"] {
  if (listLength === null && outputs === 1) return null;
  const counts = new Array<number>(outputs).fill(0);
  const add = (id: number, count: number): void => {
    counts[id] = (counts[id] ?? 0) + count;
  };
  for (let row = 0; row < length; row++) {
    if (listLength === null) add(labels[row] as number, 1);
    else for (let id = 0; id < listLength; id++) add(id, labels[row * listLength + id] as number);
  }
  return Object.fromEntries(counts.map((count, id) => [nameOf(id), count]));
}

/** Counts the bytes of sets of rows, which may share arrays. */
function rowBytes(sets: readonly PackedRows[]): number {
  const arrays = sets.flatMap(({ inputIds, tokenTypeIds, begins, ends, labels }) => {
    return [inputIds, tokenTypeIds, begins, ends, labels];
  });
  return sumOf([...new Set<ArrayBufferView>(arrays)], ({ byteLength }) => byteLength);
}

/** Formats a dry run as lines of text. */
export function describeDryRun(run: DryRun, seeds: number): readonly string[] {
  const { training, validation, repeated, bytes, steps, phases, seconds } = run;
  const share = (part: number, { rows }: RowFacts): string =>
    `${part} of ${rows} (${((100 * part) / rows).toFixed(1)} %)`;
  const names = Object.keys(training.labels ?? {});
  return [
    `rows of the longest input, truncated if longer: training ${share(training.longest, training)}, validation ${share(validation.longest, validation)}`,
    `validation rows that are training rows: ${share(repeated, validation)}`,
    ...(names.length === 0 ? [] : ["rows by label (training, validation):"]),
    ...names.map(
      (name) => `  ${name}: ${training.labels?.[name]}, ${validation.labels?.[name] ?? 0}`,
    ),
    `memory for one seed, without activations: ${Math.ceil(bytes / 2 ** 20)} MiB`,
    `time: about ${duration(seconds)} for one seed (${counted(steps, "step")} and evaluations, from a few of each phase); ${seeds} to run`,
    ...phases.map((phase) => `  ${describePhase(phase)}`),
  ];
}

function describePhase({ phase, pattern, steps, firstEpoch, later, seconds }: PhaseTimes): string {
  const name = phase === "dense" ? phase : `${phase} ${pattern}`;
  const first = `${name}: ${duration(seconds)}, ${counted(steps, "step")} of ${firstEpoch.toFixed(3)} s`;
  if (later === null) return first;
  const { unpruned, pruned, share } = later;
  const percent = (100 * share).toFixed(1);
  return `${first} in the first epoch, later ${unpruned.toFixed(3)} s, and ${pruned.toFixed(3)} s with ${percent} % pruned`;
}

function duration(seconds: number): string {
  const minutes = Math.ceil(seconds / 60);
  return minutes < 180 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
