/** Runs one seed: its experiment, snapshots and models. */

import type { PhaseId, PhaseResult } from "../experiment/events.ts";
import { type Experiment, runExperiment } from "../experiment/experiment.ts";
import type { ThreadedBackend } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { TeacherStorage } from "../train/teacher-cache.ts";
import { type MetricsLine, metricsLine } from "./metrics.ts";
import { saveModelDirectory } from "./model-directory.ts";
import { phaseDirectory, plannedSteps, type RunPlan } from "./plan.ts";
import { recordResult, recordTraining, type SeedHistory } from "./seed-history.ts";
import { findSnapshot, readSnapshot, writeSnapshot } from "./snapshot.ts";
import { joinPath, type RunStorage } from "./storage.ts";
import type { TaskContext } from "./tasks.ts";

/** What a seed needs of the program around it. */
export interface SeedPlatform {
  readonly storage: RunStorage;
  /** Starts kernels; the seed stops them. */
  startBackend(options: Pick<RunPlan, "variant"> & { threads: number }): Promise<ThreadedBackend>;
  /** Room for the teacher's results beyond the memory budget. Default: they are computed again. */
  openTeacherStorage?(): TeacherStorage & { close(): void };
}

/** One seed of a plan, as plain data: it is posted to a worker. */
export interface SeedTask {
  readonly plan: RunPlan;
  readonly seed: number;
  /** The run's directory, where the snapshots are. */
  readonly directory: string;
  /** Where the directories of the models are. */
  readonly models: string;
  /** Continues from the snapshot, if there is one. */
  readonly resume: boolean;
  /** Threads that the kernels run on. */
  readonly threads: number;
}

/** What one seed did. */
export interface SeedResult {
  readonly seed: number;
  /** False if it was interrupted. */
  readonly completed: boolean;
  readonly phases: SeedHistory;
}

/** What a seed posts while it runs. */
export type SeedMessage =
  /** First, before it trains: the epochs of the snapshot that it continues from. */
  | { readonly kind: "started"; readonly lines: readonly MetricsLine[] }
  | {
      readonly kind: "step";
      readonly phase: PhaseId;
      /** Optimizer updates over all phases, done and planned. */
      readonly done: number;
      readonly total: number;
      readonly loss: number;
    }
  | { readonly kind: "epoch"; readonly line: MetricsLine; readonly seconds: number }
  | { readonly kind: "result"; readonly result: PhaseResult; readonly seconds: number };

/**
 * Runs one seed to its end, or until the signal stops it. A snapshot is written after every epoch, after every phase
 * and on stopping; each finished phase leaves its model's directory.
 *
 * @throws InputError if a model, a configuration or a snapshot does not fit
 */
export async function trainSeed(
  platform: SeedPlatform,
  task: SeedTask,
  { post, signal }: TaskContext<SeedMessage>,
): Promise<SeedResult> {
  const { storage } = platform;
  const { plan, seed, directory, resume, threads } = task;
  const path = resume ? await findSnapshot(storage, directory, seed) : undefined;
  const saved = path === undefined ? undefined : await readSnapshot(storage, path);
  const backend = await platform.startBackend({ variant: plan.variant, threads });
  const teacherStorage = platform.openTeacherStorage?.();
  try {
    const experiment = runExperiment({
      ...plan,
      backend,
      seed,
      signal,
      teacherMemory: { storage: teacherStorage, budget: plan.teacherBudget },
      resumeFrom: saved?.experiment,
    });
    try {
      const { variant } = backend.kernels;
      return await followExperiment(experiment, variant, task, storage, saved?.history, post);
    } finally {
      experiment.release();
    }
  } finally {
    teacherStorage?.close();
    backend.stop();
  }
}

/** Runs an experiment, saves what it leads to, and posts what it reports. */
async function followExperiment(
  experiment: Experiment,
  variant: KernelVariant,
  { plan, seed, directory, models }: SeedTask,
  storage: RunStorage,
  earlier: SeedHistory | undefined,
  post: (message: SeedMessage) => Promise<void>,
): Promise<SeedResult> {
  let history = earlier ?? [];
  const seconds = stopwatch();
  const save = (): Promise<void> =>
    writeSnapshot(storage, directory, seed, { experiment: experiment.snapshot(), history });
  await post({ kind: "started", lines: history.flatMap(({ epochs }) => epochs) });
  for await (const event of experiment) {
    switch (event.type) {
      case "training": {
        const { event: training, type: _, ...phase } = event;
        const made = { profile: plan.profile, variant };
        const line = training.type === "epoch" ? metricsLine(phase, training, made) : null;
        history = recordTraining(history, event, line);
        if (training.type === "step") {
          const { step, loss } = training;
          await post({ kind: "step", phase, ...stepsOf(plan, history.length, step), loss });
        }
        if (line === null) break;
        await save();
        await post({ kind: "epoch", line, seconds: seconds() });
        break;
      }
      case "result": {
        const { result } = event;
        history = recordResult(history, result);
        const model = {
          config: plan.config.source,
          tensors: experiment.weights(),
          tokenizer: plan.tokenizer,
        };
        await saveModelDirectory(storage, joinPath(models, phaseDirectory(plan, result)), model);
        await save();
        await post({ kind: "result", result, seconds: seconds() });
        break;
      }
      case "end":
        if (!event.completed) await save();
        return { seed, completed: event.completed, phases: history };
      default:
        return event satisfies never;
    }
  }
  throw new Error("an experiment ended without saying so");
}

/** Optimizer updates over all phases, done and planned, at a step of the last of `phases` phases. */
function stepsOf(plan: RunPlan, phases: number, step: number) {
  const planned = plannedSteps(plan);
  const sum = (steps: readonly number[]): number => steps.reduce((total, each) => total + each, 0);
  return { done: sum(planned.slice(0, phases - 1)) + step, total: sum(planned) };
}

/** Gives the seconds since it was last asked. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const before = last;
    last = performance.now();
    return (last - before) / 1000;
  };
}
