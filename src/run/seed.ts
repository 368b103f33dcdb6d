/** Runs the experiment of one seed, and saves its snapshots and models. */

import type { StopSignal } from "../core/abort.ts";
import { sumOf } from "../core/sum.ts";
import type { PhaseId, PhaseResult } from "../experiment/events.ts";
import { type Experiment, runExperiment } from "../experiment/experiment.ts";
import { withMaxLength } from "../experiment/task-labels.ts";
import type { ThreadedBackend } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { TeacherStorage } from "../train/teacher-cache.ts";
import { type MetricsLine, metricsLine } from "./metrics.ts";
import { saveModelDirectory } from "./model-directory.ts";
import { experimentOf, longestInput, phaseDirectory, plannedSteps, type RunPlan } from "./plan.ts";
import { recordResult, recordTraining, type SeedHistory } from "./seed-history.ts";
import { findSnapshot, readSnapshot, writeSnapshot } from "./snapshot.ts";
import { joinPath, type RunStorage } from "./storage.ts";
import type { TaskContext } from "./tasks.ts";

/** The platform-specific functions that a seed needs. */
export interface SeedPlatform {
  readonly storage: RunStorage;
  /** Starts a backend with this kernel variant and number of threads. {@link trainSeed} stops it. */
  startBackend(options: Pick<RunPlan, "variant"> & { threads: number }): Promise<ThreadedBackend>;
  /** Opens storage for teacher results that exceed the memory budget. Without storage, such results are recomputed. */
  openTeacherStorage?(): TeacherStorage & { close(): void };
}

/** One seed of a plan, as plain data that can be posted to a worker. */
export interface SeedTask {
  readonly plan: RunPlan;
  readonly seed: number;
  /** The directory of the run, which contains the snapshots. */
  readonly directory: string;
  /** The parent of the seed's model directories, as a path in `directory`. A snapshot's value takes precedence. */
  readonly models: string;
  /** Whether to continue from the seed's snapshot, if there is one. */
  readonly resume: boolean;
  readonly threads: number;
}

export interface SeedResult {
  readonly seed: number;
  /** False if the seed was interrupted, or if it diverged. */
  readonly completed: boolean;
  /** The phase and "training diverged at step N: ..." if the seed diverged; otherwise null. */
  readonly diverged: string | null;
  /** The parent of the seed's model directories, in the directory of the run. */
  readonly models: string;
  readonly phases: SeedHistory;
}

/** A message that a seed posts while it runs. */
export type SeedMessage =
  /** The first message. `lines` are the metrics in the snapshot from which the seed continues, if any. */
  | {
      readonly kind: "started";
      readonly lines: readonly MetricsLine[];
      /** The directory of the seed's models, in the directory of the run. */
      readonly models: string;
    }
  | {
      readonly kind: "step";
      readonly phase: PhaseId;
      /** The seed's number of optimizer updates over all phases: so far, and planned in total. */
      readonly done: number;
      readonly total: number;
      readonly loss: number;
      /** The target and the share of weights that masks prune, as in the events of training; null in dense phases. */
      readonly targetSparsity: number | null;
      readonly reachedSparsity: number | null;
    }
  | { readonly kind: "epoch"; readonly line: MetricsLine; readonly seconds: number }
  | { readonly kind: "result"; readonly result: PhaseResult; readonly seconds: number };

/**
 * Trains one seed until its experiment ends or the signal stops it. Writes a snapshot after every evaluation, after every
 * phase, and when the seed is stopped. Saves the model after every phase.
 *
 * @throws InputError if a model, a configuration or a snapshot is invalid or does not match the plan
 */
export async function trainSeed(
  platform: SeedPlatform,
  task: SeedTask,
  { post, signal }: TaskContext<SeedMessage>,
): Promise<SeedResult> {
  for await (const message of seedMessages(platform, task, signal)) {
    if (message.kind === "end") return message.result;
    await post(message);
  }
  throw new Error("an experiment ended without saying so");
}

/** The last message of {@link seedMessages}. */
interface SeedEnd {
  readonly kind: "end";
  readonly result: SeedResult;
}

/** Trains one seed like {@link trainSeed} while the caller iterates. Leaving the iteration frees all memory. */
export async function* seedMessages(
  platform: SeedPlatform,
  task: SeedTask,
  signal: StopSignal,
): AsyncGenerator<SeedMessage | SeedEnd, void, void> {
  const { storage } = platform;
  const { plan, seed, directory, resume, threads } = task;
  const path = resume ? await findSnapshot(storage, directory, seed) : undefined;
  const saved = path === undefined ? undefined : await readSnapshot(storage, path);
  const backend = await platform.startBackend({ variant: plan.variant, threads });
  const teacherStorage = platform.openTeacherStorage?.();
  try {
    const experiment = runExperiment({
      ...experimentOf(plan),
      backend,
      seed,
      signal,
      teacherMemory: { storage: teacherStorage, budget: plan.teacherBudget },
      resumeFrom: saved?.experiment,
    });
    try {
      const { variant } = backend.kernels;
      const own = { ...task, models: saved?.models ?? task.models };
      yield* followExperiment(experiment, variant, own, storage, saved?.history);
    } finally {
      experiment.release();
    }
  } finally {
    teacherStorage?.close();
    backend.stop();
  }
}

/** Iterates over an experiment, saves its snapshots and models, and tells its progress. */
async function* followExperiment(
  experiment: Experiment,
  variant: KernelVariant,
  { plan, seed, directory, models }: SeedTask,
  storage: RunStorage,
  earlier: SeedHistory | undefined,
): AsyncGenerator<SeedMessage | SeedEnd, void, void> {
  let history = earlier ?? [];
  const seconds = stopwatch();
  const save = (): Promise<void> =>
    writeSnapshot(storage, directory, seed, {
      experiment: experiment.snapshot(),
      history,
      models,
    });
  yield { kind: "started", lines: history.flatMap(({ epochs }) => epochs), models };
  for await (const event of experiment) {
    switch (event.type) {
      case "training": {
        const { event: training, type: _, isBest, ...phase } = event;
        const made = { profile: plan.profile, variant, metrics: plan.metrics };
        const line =
          training.type === "epoch" ? metricsLine(phase, training, { ...made, isBest }) : null;
        history = recordTraining(history, event, line);
        if (training.type === "step") {
          const { step, loss, targetSparsity, reachedSparsity } = training;
          const steps = stepsOf(plan, history.length, step);
          yield { kind: "step", phase, ...steps, loss, targetSparsity, reachedSparsity };
        }
        if (line === null) break;
        if (training.type === "epoch" && training.evaluation !== null) await save();
        yield { kind: "epoch", line, seconds: seconds() };
        break;
      }
      case "result": {
        const { result } = event;
        history = recordResult(history, result);
        const { config, tokenizer } = plan;
        const source = withMaxLength(config.source, longestInput(plan));
        const model = { config: source, tensors: experiment.weights(), tokenizer };
        const folder = joinPath(directory, models, phaseDirectory(plan, result));
        await saveModelDirectory(storage, folder, model);
        await save();
        yield { kind: "result", result, seconds: seconds() };
        break;
      }
      case "end": {
        const { completed, diverged } = event;
        // After a divergence, the previous epoch's snapshot is kept.
        if (!completed && diverged === null) await save();
        yield { kind: "end", result: { seed, models, phases: history, completed, diverged } };
        return;
      }
      default:
        event satisfies never;
    }
  }
}

/**
 * Returns the number of optimizer updates done by `step` in phase number `phases` (from 1), and the total of all
 * phases.
 */
function stepsOf(plan: RunPlan, phases: number, step: number) {
  const planned = plannedSteps(plan);
  const total = sumOf(planned, (steps) => steps);
  return { done: sumOf(planned.slice(0, phases - 1), (steps) => steps) + step, total };
}

/** Returns a function that measures the seconds since its previous call, or since the stopwatch was started. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const before = last;
    last = performance.now();
    return (last - before) / 1000;
  };
}
