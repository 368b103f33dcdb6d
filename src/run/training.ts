/** Trains every seed of a plan, here or on workers. */

import type { StopSignal } from "../core/abort.ts";
import type { Problem } from "../core/either.ts";
import type { PhaseId } from "../experiment/events.ts";
import { MOST_THREADS } from "../kernels/backend.ts";
import {
  createRunBoard,
  METRICS_FILE,
  type RunListener,
  readTimings,
  type Timings,
} from "./board.ts";
import { phaseDirectory, type RunPlan } from "./plan.ts";
import {
  type SeedMessage,
  type SeedPlatform,
  type SeedResult,
  type SeedTask,
  trainSeed,
} from "./seed.ts";
import { findSnapshot } from "./snapshot.ts";
import { joinPath, type RunStorage } from "./storage.ts";
import { runTasks, type TaskRunner } from "./tasks.ts";

/** What a run needs of the program around it. */
export interface RunPlatform extends SeedPlatform {
  /** Runs a seed on a worker, which calls {@link trainSeed} there. Default: seeds run here, one after another. */
  readonly worker?: TaskRunner<SeedTask, SeedMessage, SeedResult> | undefined;
}

/** What to train, and where it goes. */
export interface TrainingRun {
  readonly plan: RunPlan;
  /** Each seed is a run of its own; at least one. */
  readonly seeds: readonly number[];
  /** Several seeds keep their models in `seed-N` below it. */
  readonly directory: string;
  /** Continues from the snapshots in `directory`. */
  readonly resume: boolean;
  /** With workers as many seeds run at once, and their kernels share the other threads. */
  readonly threads: number;
  readonly signal: StopSignal;
  readonly listener: RunListener;
}

/** What a run did. */
export interface RunOutcome {
  /** False if it was interrupted. */
  readonly completed: boolean;
  /** In the order of seeds, without those that were not started. */
  readonly seeds: readonly SeedResult[];
  readonly timings: Timings;
  /** The directory of a phase's model. */
  readonly modelDirectory: (phase: PhaseId) => string;
}

/**
 * Trains every seed. Nothing is written before the first snapshot, so a run that is refused leaves no files. Results do
 * not depend on the number of threads.
 *
 * @throws InputError if a model, a configuration or a snapshot does not fit
 */
export async function runTraining(run: TrainingRun, platform: RunPlatform): Promise<RunOutcome> {
  const { plan, seeds, directory, resume, signal } = run;
  const { storage, worker } = platform;
  const atOnce = worker === undefined ? 1 : Math.min(run.threads, seeds.length);
  const threads = Math.min(MOST_THREADS, Math.max(1, Math.floor(run.threads / atOnce)));
  const modelsOf = (seed: number): string =>
    seeds.length === 1 ? directory : joinPath(directory, `seed-${seed}`);
  const earlier = resume ? await readTimings(storage, directory) : {};
  const board = createRunBoard(storage, directory, seeds.length, earlier, run.listener);
  const here: TaskRunner<SeedTask, SeedMessage, SeedResult> = (task, context) =>
    trainSeed(platform, task, context);
  const results = await runTasks({
    tasks: seeds.map((seed) => ({
      plan,
      seed,
      directory,
      models: modelsOf(seed),
      resume,
      threads,
    })),
    runner: worker === undefined || atOnce === 1 ? here : worker,
    atOnce,
    onMessage: board.onMessage,
    signal,
  });
  const started = results.filter((result) => result !== undefined);
  return {
    completed: started.length === seeds.length && started.every((result) => result.completed),
    seeds: started,
    timings: board.timings(),
    modelDirectory: (phase) => joinPath(modelsOf(phase.seed), phaseDirectory(plan, phase)),
  };
}

/** The problems of a directory that holds a run already, or that has no snapshot to continue from. */
export async function outputProblems(
  storage: RunStorage,
  { directory, seeds, resume }: Pick<TrainingRun, "directory" | "seeds" | "resume">,
): Promise<readonly Problem[]> {
  const problem = (expected: string, got: string): readonly Problem[] => [
    { path: "out", expected, got: `${directory}${got}` },
  ];
  if ((await storage.kind(directory)) === "file") return problem("a directory", " (is a file)");
  const found = await Promise.all(seeds.map((seed) => findSnapshot(storage, directory, seed)));
  const hasSnapshot = found.some((path) => path !== undefined);
  if (resume)
    return hasSnapshot ? [] : problem("the snapshots of a run to continue", ", which has none");
  const expected = "a directory without a run, or --resume";
  if (hasSnapshot) return problem(expected, ", which has snapshots");
  const metrics = await storage.kind(joinPath(directory, METRICS_FILE));
  return metrics === "file" ? problem(expected, `, which has ${METRICS_FILE}`) : [];
}
