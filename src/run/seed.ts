/** Runs one seed: its experiment, snapshots and models. */

import type { PhaseId, PhaseResult, PhaseTrainingEvent } from "../experiment/events.ts";
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
  /** First, when it continues from a snapshot: the epochs before. */
  | { readonly kind: "resumed"; readonly lines: readonly MetricsLine[] }
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

interface SeedRun {
  readonly task: SeedTask;
  readonly storage: RunStorage;
  readonly experiment: Experiment;
  readonly variant: KernelVariant;
  readonly post: (message: SeedMessage) => Promise<void>;
  history: SeedHistory;
  /** When seconds were last posted. */
  clock: number;
}

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
  const { plan, seed, threads } = task;
  const path = task.resume ? await findSnapshot(storage, task.directory, seed) : undefined;
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
    const { variant } = backend.kernels;
    const history = saved?.history ?? [];
    const run = { task, storage, experiment, variant, post, history, clock: performance.now() };
    try {
      return await runToEnd(run, saved !== undefined);
    } finally {
      experiment.release();
    }
  } finally {
    teacherStorage?.close();
    backend.stop();
  }
}

async function runToEnd(run: SeedRun, isResumed: boolean): Promise<SeedResult> {
  const { seed } = run.task;
  if (isResumed)
    await run.post({ kind: "resumed", lines: run.history.flatMap(({ epochs }) => epochs) });
  for await (const event of run.experiment) {
    switch (event.type) {
      case "training":
        await onTraining(run, event);
        break;
      case "result":
        run.history = recordResult(run.history, event.result);
        await saveModel(run, event.result);
        await saveSnapshot(run);
        await run.post({ kind: "result", result: event.result, seconds: lap(run) });
        break;
      case "end":
        if (!event.completed) await saveSnapshot(run);
        return { seed, completed: event.completed, phases: run.history };
      default:
        return event satisfies never;
    }
  }
  throw new Error("an experiment ended without saying so");
}

async function onTraining(run: SeedRun, training: PhaseTrainingEvent): Promise<void> {
  const { event, type: _, ...id } = training;
  const made = { profile: run.task.plan.profile, variant: run.variant };
  const line = event.type === "epoch" ? metricsLine(id, event, made) : null;
  run.history = recordTraining(run.history, training, line);
  if (event.type === "step") await postStep(run, id, event.step, event.loss);
  if (line === null) return;
  await saveSnapshot(run);
  await run.post({ kind: "epoch", line, seconds: lap(run) });
}

function postStep(run: SeedRun, phase: PhaseId, step: number, loss: number): Promise<void> {
  const planned = plannedSteps(run.task.plan);
  const total = planned.reduce((sum, steps) => sum + steps, 0);
  const earlier = planned.slice(0, run.history.length - 1).reduce((sum, steps) => sum + steps, 0);
  return run.post({ kind: "step", phase, done: earlier + step, total, loss });
}

function saveSnapshot({ storage, task, experiment, history }: SeedRun): Promise<void> {
  const snapshot = { experiment: experiment.snapshot(), history };
  return writeSnapshot(storage, task.directory, task.seed, snapshot);
}

function saveModel({ storage, task, experiment }: SeedRun, id: PhaseId): Promise<void> {
  const { config, tokenizer } = task.plan;
  const directory = joinPath(task.models, phaseDirectory(task.plan, id));
  const model = { config: config.source, tensors: experiment.weights(), tokenizer };
  return saveModelDirectory(storage, directory, model);
}

/** Seconds since the last call. */
function lap(run: SeedRun): number {
  const now = performance.now();
  const seconds = (now - run.clock) / 1000;
  run.clock = now;
  return seconds;
}
