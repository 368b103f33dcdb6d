/** Runs one seed: the experiment, its checkpoints and the directories of its models. */

import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { StopSignal } from "../core/abort.ts";
import type { PhaseId, PhaseTrainingEvent } from "../experiment/events.ts";
import { type Experiment, runExperiment } from "../experiment/experiment.ts";
import type { Backend } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";
import { parseModelConfigOrThrow } from "../model/config.ts";
import type { NamedValues } from "../model/parameters.ts";
import { readSeedCheckpoint, type SavedSeed, writeSeedCheckpoint } from "./checkpoint-file.ts";
import { kindOfPath } from "./files.ts";
import { metricsLine } from "./metrics.ts";
import { saveModelDirectory } from "./model-directory.ts";
import { recordResult, recordTraining, type SeedHistory } from "./seed-history.ts";
import {
  phaseDirectory,
  plannedSteps,
  type SeedMessage,
  type SeedResult,
  type SeedTask,
} from "./seed-task.ts";
import { createStorageFile, type StorageFile } from "./storage-file.ts";
import { createNodeBackend } from "./threaded-backend.ts";
import type { TaskContext } from "./workers.ts";

async function loadSeed({ checkpoint, resume }: SeedTask): Promise<SavedSeed | null> {
  const there = resume && (await kindOfPath(checkpoint)) === "file";
  return there ? readSeedCheckpoint(checkpoint) : null;
}

function startExperiment(
  { plan, seed }: SeedTask,
  backend: Backend,
  saved: SavedSeed | null,
  storage: StorageFile,
  signal: StopSignal,
): Experiment {
  const { initialTensors, teacher, pruningConfig, teacherBudget: budget } = plan;
  return runExperiment({
    backend,
    config: parseModelConfigOrThrow(plan.modelConfig),
    recipes: plan.recipes,
    trainingRows: plan.trainingRows,
    evaluationRows: plan.evaluationRows,
    seed,
    profile: plan.profile,
    sparseProducts: plan.sparseProducts ?? "auto",
    skipDense: plan.skipDense,
    signal,
    teacherMemory: { storage, ...(budget === undefined ? {} : { budget }) },
    ...(initialTensors === null ? {} : { initialTensors }),
    ...(teacher === null
      ? {}
      : { teacher: { ...teacher, config: parseModelConfigOrThrow(teacher.config) } }),
    ...(pruningConfig === null ? {} : { pruningConfig }),
    ...(saved === null ? {} : { resumeFrom: saved.experiment }),
  });
}

/** A seed under way. */
interface SeedRun {
  readonly task: SeedTask;
  readonly experiment: Experiment;
  readonly variant: KernelVariant;
  readonly post: (message: SeedMessage) => void;
  history: SeedHistory;
  /** When the seconds last posted ended. */
  clock: number;
}

/** Seconds since this was last asked. */
function lap(run: SeedRun): number {
  const now = performance.now();
  const seconds = (now - run.clock) / 1000;
  run.clock = now;
  return seconds;
}

function saveCheckpoint({ task, experiment, history }: SeedRun): void {
  writeSeedCheckpoint(task.checkpoint, { experiment: experiment.checkpoint(), history });
}

function postStep(run: SeedRun, id: PhaseId, step: number, loss: number): void {
  const planned = plannedSteps(run.task.plan);
  const total = planned.reduce((sum, steps) => sum + steps, 0);
  const earlier = planned.slice(0, run.history.length - 1).reduce((sum, steps) => sum + steps, 0);
  run.post({ kind: "step", phase: id, done: earlier + step, total, loss });
}

function onTraining(run: SeedRun, training: PhaseTrainingEvent): void {
  const { event, type: _, ...id } = training;
  const made = { profile: run.task.plan.profile, variant: run.variant };
  const line = event.type === "epoch" ? metricsLine(id, event, made) : null;
  run.history = recordTraining(run.history, training, line);
  if (event.type === "step") postStep(run, id, event.step, event.loss);
  if (line === null) return;
  saveCheckpoint(run);
  run.post({ kind: "epoch", line, seconds: lap(run) });
}

async function saveModel(
  { plan, directory }: SeedTask,
  id: PhaseId,
  tensors: ReadonlyMap<string, NamedValues>,
): Promise<void> {
  const target = join(directory, phaseDirectory(plan, id));
  await saveModelDirectory(target, {
    config: plan.modelConfig,
    tensors,
    tokenizer: plan.tokenizer,
  });
}

/**
 * Runs one seed to its end, or to where the signal stops it. A checkpoint is written after every epoch, every
 * phase and on stopping; each finished phase leaves its model's directory.
 *
 * @throws InputError where a model, a configuration or a checkpoint does not fit
 */
export async function trainSeed(
  task: SeedTask,
  context: TaskContext<SeedMessage>,
): Promise<SeedResult> {
  const saved = await loadSeed(task);
  const { plan, threads } = task;
  const backend = await createNodeBackend({ variant: plan.variant, threads });
  const storage = createStorageFile();
  try {
    return await runOn(backend, storage, task, saved, context);
  } finally {
    storage.close();
    backend.stop();
  }
}

async function runOn(
  backend: Backend,
  storage: StorageFile,
  task: SeedTask,
  saved: SavedSeed | null,
  context: TaskContext<SeedMessage>,
): Promise<SeedResult> {
  const experiment = startExperiment(task, backend, saved, storage, context.signal);
  const { variant } = backend.kernels;
  const history = saved?.history ?? [];
  const clock = performance.now();
  const run: SeedRun = { task, experiment, variant, post: context.post, history, clock };
  try {
    await mkdir(dirname(task.checkpoint), { recursive: true });
    if (saved !== null)
      run.post({ kind: "resumed", lines: history.flatMap((phase) => phase.epochs) });
    for await (const event of experiment) {
      switch (event.type) {
        case "training":
          onTraining(run, event);
          break;
        case "result": {
          run.history = recordResult(run.history, event.result);
          await saveModel(task, event.result, experiment.weights());
          saveCheckpoint(run);
          run.post({ kind: "result", result: event.result, seconds: lap(run) });
          break;
        }
        case "end":
          if (!event.completed) saveCheckpoint(run);
          return { seed: task.seed, completed: event.completed, phases: run.history };
        default:
          return event satisfies never;
      }
    }
    throw new Error("an experiment ended without saying so");
  } finally {
    experiment.release();
  }
}
