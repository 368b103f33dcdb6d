/** Runs tasks in the worker. A worker that fails is replaced at the next task. */
import type { FromWorker, Progress, TaskName, Tasks, ToWorker } from "./worker/protocol.ts";
import type { TrainingNews } from "./worker/training-protocol.ts";

/** What went wrong, in words for the visitor. */
export class TaskError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

interface Waiting {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly onNews: ((news: TrainingNews) => void) | undefined;
}

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  readonly onNews?: (news: TrainingNews) => void;
}

/** Runs tasks, one after another or at once. */
export interface WorkerClient {
  run<Name extends TaskName>(
    name: Name,
    input: Tasks[Name]["takes"],
    options?: RunOptions,
  ): Promise<Tasks[Name]["returns"]>;
}

const FAILED =
  "The worker of this page did not load or stopped. Check the connection and choose the files again; if that does not help, reload the page.";

export function createWorkerClient(start: () => Worker): WorkerClient {
  let worker: Worker | null = null;
  let nextId = 0;
  const waiting = new Map<number, Waiting>();
  const receive = ({ data }: MessageEvent<FromWorker>): void => {
    const one = waiting.get(data.id);
    if (one === undefined) return;
    if (data.kind === "progress") {
      one.onProgress?.(data.progress);
      return;
    }
    if (data.kind === "news") {
      one.onNews?.(data.news);
      return;
    }
    waiting.delete(data.id);
    if (data.kind === "done") one.resolve(data.output);
    else one.reject(new TaskError(data.problems));
  };
  const fail = (): void => {
    worker?.terminate();
    worker = null;
    for (const { reject } of waiting.values()) reject(new TaskError([FAILED]));
    waiting.clear();
  };
  const started = (): Worker => {
    if (worker !== null) return worker;
    worker = start();
    worker.addEventListener("message", receive);
    worker.addEventListener("error", fail);
    worker.addEventListener("messageerror", fail);
    return worker;
  };
  return {
    run(name, input, { signal, onProgress, onNews } = {}) {
      const id = nextId++;
      const post = (message: ToWorker): void => started().postMessage(message);
      return new Promise((resolve, reject) => {
        // The worker answers each task with the output that the protocol declares for it.
        const answer = resolve as (output: unknown) => void;
        waiting.set(id, { resolve: answer, reject, onProgress, onNews });
        const cancel = (): void => {
          if (!waiting.delete(id)) return;
          post({ kind: "cancel", id });
          reject(new TaskError(["cancelled"]));
        };
        if (signal?.aborted === true) {
          waiting.delete(id);
          reject(new TaskError(["cancelled"]));
          return;
        }
        signal?.addEventListener("abort", cancel, { once: true });
        post({ kind: "task", id, name, input });
      });
    },
  };
}
