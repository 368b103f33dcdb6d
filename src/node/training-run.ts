/** Runs every seed of a plan, in this thread or on workers. */

import { join } from "node:path";
import type { StopSignal } from "../core/abort.ts";
import type { PhaseId } from "../experiment/events.ts";
import { MOST_THREADS } from "../kernels/backend.ts";
import { createRunBoard, type RunListener, readTimings, type Timings } from "./run-board.ts";
import { trainSeed } from "./seed-run.ts";
import {
  phaseDirectory,
  type RunPlan,
  type SeedMessage,
  type SeedResult,
  type SeedTask,
} from "./seed-task.ts";
import { runTasks } from "./workers.ts";

/** What to run, and where it goes. */
export interface TrainingRun {
  readonly plan: RunPlan;
  /** Each seed is a run of its own; at least one. */
  readonly seeds: readonly number[];
  /** Several seeds keep their models in `seed-N` below it. */
  readonly directory: string;
  /** Goes on from the checkpoints in `directory`. */
  readonly resume: boolean;
  /** Threads in all: as many seeds at once where there are workers, whose kernels share what is left. */
  readonly threads: number;
  /** The script of a worker that serves `trainSeed`; null: every seed runs in this thread. */
  readonly workerScript: { readonly href: string } | null;
  readonly signal: StopSignal;
  readonly listener: RunListener;
}

/** What a run did. */
export interface RunOutcome {
  /** False where it was interrupted. */
  readonly completed: boolean;
  /** In the order of seeds; those that were not started are absent. */
  readonly seeds: readonly SeedResult[];
  readonly timings: Timings;
  /** Where a phase's model was written. */
  readonly modelDirectory: (phase: PhaseId) => string;
}

/** Where a run keeps the checkpoint of a seed. */
export function checkpointPath(directory: string, seed: number): string {
  return join(directory, "checkpoints", `seed-${seed}.safetensors`);
}

/** Where a seed's models go. */
function seedDirectory({ seeds, directory }: TrainingRun, seed: number): string {
  return seeds.length === 1 ? directory : join(directory, `seed-${seed}`);
}

/** Seeds that run at once. */
function seedsAtOnce({ seeds, threads, workerScript }: TrainingRun): number {
  return workerScript === null ? 1 : Math.min(threads, seeds.length);
}

function seedTask(run: TrainingRun, seed: number): SeedTask {
  return {
    plan: run.plan,
    seed,
    directory: seedDirectory(run, seed),
    checkpoint: checkpointPath(run.directory, seed),
    resume: run.resume,
    threads: Math.min(MOST_THREADS, Math.max(1, Math.floor(run.threads / seedsAtOnce(run)))),
  };
}

/** Runs the tasks one after another here; those not begun when the signal comes are left out. */
async function runHere(
  tasks: readonly SeedTask[],
  signal: StopSignal,
  onMessage: (index: number, message: SeedMessage) => void,
): Promise<readonly (SeedResult | undefined)[]> {
  const results: (SeedResult | undefined)[] = [];
  for (const [index, task] of tasks.entries()) {
    const post = (message: SeedMessage): void => onMessage(index, message);
    results.push(signal.aborted ? undefined : await trainSeed(task, { post, signal }));
  }
  return results;
}

/**
 * Runs every seed. The directory is created when the first checkpoint is written: what is refused before that
 * leaves nothing behind. Results do not depend on the number of threads.
 *
 * @throws InputError where a model, a configuration or a checkpoint does not fit
 */
export async function runTraining(run: TrainingRun): Promise<RunOutcome> {
  const { seeds, directory, signal, workerScript: script } = run;
  const earlier = run.resume ? await readTimings(directory) : {};
  const board = createRunBoard(directory, seeds.length, earlier, run.listener);
  const { onMessage } = board;
  const tasks = seeds.map((seed) => seedTask(run, seed));
  const results =
    script === null || seedsAtOnce(run) === 1
      ? await runHere(tasks, signal, onMessage)
      : await runTasks<SeedTask, SeedMessage, SeedResult>({
          tasks,
          script,
          threads: seedsAtOnce(run),
          onMessage,
          signal,
        });
  const started = results.filter((result) => result !== undefined);
  return {
    completed: started.length === seeds.length && started.every((result) => result.completed),
    seeds: started,
    timings: board.timings(),
    modelDirectory: (phase) =>
      join(seedDirectory(run, phase.seed), phaseDirectory(run.plan, phase)),
  };
}
