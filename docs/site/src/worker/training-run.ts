/** Follows one run: tells the page what happens, and passes on what has to be kept. */
import { layersOfTensor } from "../../../../src/checkpoint/layers.ts";
import { weightValues } from "../../../../src/checkpoint/tensor-values.ts";
import { tensorFromFloat32, writeSafetensors } from "../../../../src/io/safetensors.ts";
import { fineTuneClassifier } from "../../../../src/run/classifier-training.ts";
import type { ClassifierFile } from "../../../../src/run/given-files.ts";
import { createMemoryStorage } from "../../../../src/run/memory-storage.ts";
import type { MetricsLine } from "../../../../src/run/metrics.ts";
import { findSnapshot, readSnapshot } from "../../../../src/run/snapshot.ts";
import { describe } from "./described-checkpoint.ts";
import { type GivenCheckpoint, openGiven } from "./given-checkpoint.ts";
import type { TaskRun } from "./task-run.ts";
import { EMPTY_HISTORY, withEpoch, withPoints } from "./training-history.ts";
import { trainingFiles, trainingOptions } from "./training-inputs.ts";
import type {
  TrainingEpoch,
  TrainingHistory,
  TrainingNews,
  TrainingPoint,
  TrainRequest,
} from "./training-protocol.ts";
import type { TrainingState } from "./training-store.ts";

export type ModelFiles = readonly ClassifierFile<Uint8Array>[];

/** What keeps the results of a run. */
export interface RunKeeper {
  /** Called when a run begins that is not continued. */
  begin(): void;
  /** Keeps the state after an epoch, or when the run was stopped. */
  keep(state: TrainingState): Promise<void>;
  model(name: string, files: ModelFiles): void;
  weights(weights: GivenCheckpoint): void;
}

/** How a run ended, before it is decided what becomes of it. */
interface RunEnd {
  readonly completed: boolean;
  readonly diverged: string | null;
  readonly models: Readonly<Record<string, ModelFiles>>;
}

/** Milliseconds between two messages with points. */
const TELLING = 100;

/** The metrics that curves show. A task has the first of them that is a number. */
const METRICS = ["accuracy", "pearson", "mean_squared_error"] as const;

function epochOf(line: MetricsLine, step: number): TrainingEpoch {
  const metric = METRICS.find((name) => typeof line[name] === "number") ?? METRICS[0];
  return {
    step,
    phase: line.phase,
    pattern: line.pattern,
    epoch: line.epoch,
    loss: line.training_loss,
    metric,
    value: line[metric] ?? null,
    sparsity: line.sparsity_pruned_layers,
  };
}

/** Opens the weights of the model that is trained, as a snapshot has them. */
async function weightsIn(snapshot: ModelFiles, seed: number): Promise<GivenCheckpoint | null> {
  const storage = createMemoryStorage(
    new Map(snapshot.map(({ name, bytes }) => [`run/${name}`, bytes])),
  );
  const path = await findSnapshot(storage, "run", seed);
  if (path === undefined) return null;
  const { experiment } = await readSnapshot(storage, path);
  const parameters = experiment.training?.parameters;
  if (parameters === undefined) return null;
  const tensors = [...parameters].map(
    ([name, { shape, data }]) => [name, tensorFromFloat32("F32", [...shape], data)] as const,
  );
  const bytes = writeSafetensors(new Map(tensors), { format: "pt" });
  const content = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  return openGiven([{ path: "model.safetensors", content }]);
}

function weightNews(given: GivenCheckpoint): TrainingNews {
  const layers = given.survey
    .filter((tensor) => layersOfTensor(tensor).length > 0)
    .map((tensor) => {
      const values = weightValues(given.checkpoint, tensor);
      let zeros = 0;
      for (let i = 0; i < values.length; i++) if (values[i] === 0) zeros++;
      const { name, shape } = tensor;
      return { name, tensor: name, shape, zeros, elements: values.length };
    });
  return { kind: "weights", opened: describe(given), layers };
}

/** Collects points, and tells them from time to time. */
function createTeller(tell: (news: TrainingNews) => void, before: TrainingHistory) {
  let history = before;
  let waiting: TrainingPoint[] = [];
  let last = performance.now();
  const flush = (): void => {
    last = performance.now();
    if (waiting.length === 0) return;
    history = withPoints(history, waiting, history.total);
    tell({ kind: "points", points: waiting, total: history.total });
    waiting = [];
  };
  return {
    /** What was told so far. */
    history(): TrainingHistory {
      flush();
      return history;
    },
    point(point: TrainingPoint, total: number): void {
      waiting.push(point);
      history = { ...history, total };
      if (performance.now() - last >= TELLING) flush();
    },
    epoch(line: MetricsLine): void {
      flush();
      const epoch = epochOf(line, history.points.at(-1)?.step ?? 0);
      history = withEpoch(history, epoch);
      tell({ kind: "epoch", epoch });
    },
  };
}

/** Runs a request to its end, or from a state. */
export async function followRun(
  request: TrainRequest,
  from: TrainingState | null,
  { onProgress, onNews: tell, signal }: TaskRun,
  keeper: RunKeeper,
): Promise<RunEnd> {
  const teller = createTeller(tell, from?.history ?? EMPTY_HISTORY);
  const run = fineTuneClassifier({
    ...(await trainingOptions(request, await trainingFiles(request.own))),
    signal,
    // A run that was stopped before its first step has no snapshot.
    ...(from !== null && from.snapshot.length > 0 && { resumeFrom: from.snapshot }),
  });
  const keep = async (): Promise<void> => {
    const snapshot = run.snapshot() ?? [];
    await keeper.keep({ request, snapshot, history: teller.history() });
  };
  for await (const event of run)
    switch (event.type) {
      case "start":
        if (from === null) keeper.begin();
        tell({ kind: "begin", notices: event.notices, history: teller.history() });
        break;
      case "step": {
        const { done, total, loss, targetSparsity: target, reachedSparsity: reached } = event;
        teller.point({ step: done, loss, target, reached }, total);
        onProgress({ done, total });
        break;
      }
      case "epoch": {
        teller.epoch(event.metrics);
        await keep();
        const weights = await weightsIn(run.snapshot() ?? [], request.settings.seed);
        if (weights === null) break;
        keeper.weights(weights);
        tell(weightNews(weights));
        break;
      }
      case "model":
        keeper.model(event.name, event.files);
        break;
      case "end":
        if (!event.completed && event.diverged === null) await keep();
        return event;
      default:
        event satisfies never;
    }
  throw new Error("a run ended without saying so");
}
