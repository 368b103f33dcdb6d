/** Fine-tunes and prunes a classifier, with the function that programs call, and keeps the run for later. */
import { InputError, refuseInput } from "../../../../src/core/either.ts";
import { sumOf } from "../../../../src/core/sum.ts";
import { type GivenCheckpoint, openGiven } from "./given-checkpoint.ts";
import type { GivenFile } from "./protocol.ts";
import { packGiven } from "./pruning.ts";
import { createScratchFiles } from "./scratch-files.ts";
import type { TaskRun } from "./task-run.ts";
import { trainingFiles } from "./training-inputs.ts";
import type {
  OwnRows,
  SavedTraining,
  TrainedModel,
  TrainingEnd,
  TrainRequest,
} from "./training-protocol.ts";
import { followRun, type ModelFiles, type RunKeeper } from "./training-run.ts";
import { createTrainingStore, type TrainingState } from "./training-store.ts";

/** Trains one model at a time, and keeps what it has made. */
export interface Training {
  start(request: TrainRequest, run: TaskRun): Promise<TrainingEnd>;
  /** Goes on with the run that was kept. */
  resume(run: TaskRun): Promise<TrainingEnd>;
  /** Ends the run after the current step, and keeps it. */
  pause(): void;
  /** Ends the run, if one is there, and does not keep it. */
  discard(): Promise<void>;
  saved(): Promise<SavedTraining | null>;
  /** The rows, and the vocabulary, with which the command trains the same models. */
  inputs(own: OwnRows | null): Promise<readonly GivenFile[]>;
  /** The files of a model, or the packed ones. */
  files(name: string, isPacked: boolean, run: TaskRun): Promise<readonly GivenFile[]>;
  weights(): GivenCheckpoint;
}

/** A run while it goes on. */
interface ActiveRun {
  readonly stop: AbortController;
  isDiscarded: boolean;
}

function modelOf(name: string, files: ModelFiles): TrainedModel {
  return { name, bytes: sumOf(files, ({ bytes }) => bytes.length) };
}

function blobsOf(files: ModelFiles): readonly GivenFile[] {
  return files.map(({ name, bytes }) => ({
    path: name,
    content: new Blob([bytes as Uint8Array<ArrayBuffer>]),
  }));
}

async function packModel(files: readonly GivenFile[], run: TaskRun): Promise<readonly GivenFile[]> {
  const packed = await packGiven(await openGiven(files), createScratchFiles(), run);
  return [...packed, ...files.filter(({ path }) => path !== "model.safetensors")];
}

/** The models and the state of the last run. */
function createKept() {
  const store = createTrainingStore();
  const models = new Map<string, ModelFiles>();
  let state: TrainingState | null = null;
  let weights: GivenCheckpoint | null = null;
  return {
    models,
    weights: () => weights ?? refuseInput("files", "a model that is trained", "none"),
    async state(): Promise<TrainingState | null> {
      state ??= await store.load();
      return state;
    },
    async forget(): Promise<void> {
      state = null;
      await store.remove();
    },
    keeper: (own: ActiveRun, tell: TaskRun["onNews"]): RunKeeper => ({
      begin: () => models.clear(),
      model: (name, files) => {
        models.set(name, files);
        tell({ kind: "model", model: modelOf(name, files) });
      },
      weights: (next) => {
        weights = next;
      },
      keep: async (next) => {
        if (own.isDiscarded) return;
        state = next;
        const reason = await store.save(next);
        const step = next.history.points.at(-1)?.step ?? 0;
        tell(reason === null ? { kind: "saved", step } : { kind: "unsaved", reason });
      },
    }),
  };
}

export function createTraining(): Training {
  const kept = createKept();
  let active: ActiveRun | null = null;
  let ended: Promise<unknown> = Promise.resolve();
  /** Follows a run after the run before, which is stopped. */
  const follow = (
    task: TaskRun,
    choose: () => Promise<readonly [request: TrainRequest, from: TrainingState | null]>,
  ): Promise<TrainingEnd> => {
    active?.stop.abort();
    const own: ActiveRun = { stop: new AbortController(), isDiscarded: false };
    active = own;
    task.signal.addEventListener("abort", () => own.stop.abort());
    const before = ended;
    const run = async (): Promise<TrainingEnd> => {
      await before;
      try {
        const [request, from] = await choose();
        const { signal } = own.stop;
        const keeper = kept.keeper(own, task.onNews);
        const end = await followRun(request, from, { ...task, signal }, keeper);
        const { completed, diverged } = end;
        for (const [name, files] of Object.entries(end.models)) kept.models.set(name, files);
        const isPaused = !completed && diverged === null && !own.isDiscarded;
        if (!isPaused) await kept.forget();
        const models = [...kept.models].map(([name, files]) => modelOf(name, files));
        return { completed, diverged, isPaused, models };
      } finally {
        if (active === own) active = null;
      }
    };
    const end = run();
    ended = end.catch(() => {});
    return end;
  };
  return {
    start: (request, task) => follow(task, async () => [request, null]),
    resume: (task) =>
      follow(task, async () => {
        const state = (await kept.state()) ?? refuseInput("run", "one that was paused", "none");
        return [state.request, state];
      }).catch(async (error: unknown) => {
        // The files are those of another version, or damaged.
        if (error instanceof InputError) await kept.forget();
        throw error;
      }),
    pause: () => active?.stop.abort(),
    async discard() {
      if (active !== null) {
        active.isDiscarded = true;
        active.stop.abort();
      }
      await ended;
      await kept.forget();
    },
    async saved() {
      await ended;
      const state = await kept.state();
      if (state === null) return null;
      const { request, history } = state;
      const step = history.points.at(-1)?.step ?? 0;
      const rows = request.own?.rows.path ?? null;
      return { settings: request.settings, rows, step, total: history.total };
    },
    async inputs(own) {
      const { rows, validationRows, vocabulary } = await trainingFiles(own);
      return [rows, validationRows, vocabulary].flatMap((file) => file ?? []);
    },
    async files(name, isPacked, task) {
      const files = kept.models.get(name) ?? refuseInput("model", "one that was trained", name);
      return isPacked ? packModel(blobsOf(files), task) : blobsOf(files);
    },
    weights: kept.weights,
  };
}
