/**
 * Running tasks on worker threads behind one small interface: a task goes to a worker, messages come back while
 * it runs, then its result. The same protocol fits a Web Worker, whose `postMessage` and `message` event do the same.
 */

import { parentPort, Worker, workerData } from "node:worker_threads";
import type { StopSignal } from "../core/abort.ts";

/** What a worker posts. */
type FromWorker =
  | { readonly kind: "message"; readonly message: unknown }
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly message: string; readonly stack: string | undefined };

/** What a worker is told after its task. */
type ToWorker = { readonly kind: "abort" };

/** How tasks are run. */
export interface TaskRun<Task, Message> {
  readonly tasks: readonly Task[];
  /** The script that answers with {@link serveTask}. */
  readonly script: { readonly href: string };
  /** Most workers at once. */
  readonly threads: number;
  /** Called in the order in which messages arrive. */
  readonly onMessage: (index: number, message: Message) => void;
  /** Told to the workers, who end their tasks on their own terms. */
  readonly signal: StopSignal;
}

/** What a task sees of its surroundings; tasks run in-process get one too. */
export interface TaskContext<Message> {
  readonly post: (message: Message) => void;
  readonly signal: StopSignal;
}

/** Starts one worker on `task` and settles with its result. */
function runOnWorker<Task, Message, Result>(
  run: TaskRun<Task, Message>,
  index: number,
  task: Task,
): Promise<Result> {
  const worker = new Worker(new URL(run.script.href), { workerData: { task } });
  const abort = (): void => worker.postMessage({ kind: "abort" } satisfies ToWorker);
  return new Promise<Result>((resolve, reject) => {
    run.signal.addEventListener("abort", abort);
    if (run.signal.aborted) abort();
    worker.on("message", (posted: FromWorker) => {
      switch (posted.kind) {
        case "message":
          return run.onMessage(index, posted.message as Message);
        case "result":
          return resolve(posted.result as Result);
        case "error":
          return reject(Object.assign(new Error(posted.message), { stack: posted.stack }));
        default:
          return posted satisfies never;
      }
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`a worker ended early with code ${code}`)));
  }).finally(() => {
    run.signal.removeEventListener("abort", abort);
    return worker.terminate();
  });
}

/**
 * Runs every task on a worker of its own, at most `threads` at once, and gives their results in the order of
 * tasks. Once the signal is aborted none is started: the results of those are undefined. A failure aborts the
 * running tasks too, and is thrown once they have ended.
 */
export async function runTasks<Task, Message, Result>(
  run: TaskRun<Task, Message>,
): Promise<readonly (Result | undefined)[]> {
  const results = new Map<number, Result>();
  const failures: unknown[] = [];
  const waiting = [...run.tasks.entries()];
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  if (run.signal.aborted) abort();
  run.signal.addEventListener("abort", abort);
  const stoppable = { ...run, signal: stop.signal };
  const lane = async (): Promise<void> => {
    for (;;) {
      const next = stop.signal.aborted ? undefined : waiting.shift();
      if (next === undefined) return;
      const [index, task] = next;
      try {
        results.set(index, await runOnWorker<Task, Message, Result>(stoppable, index, task));
      } catch (error) {
        failures.push(error);
        abort();
      }
    }
  };
  const lanes = Math.min(Math.max(1, run.threads), run.tasks.length);
  await Promise.all(Array.from({ length: lanes }, lane));
  run.signal.removeEventListener("abort", abort);
  if (failures.length > 0) throw failures[0];
  return run.tasks.map((_, index) => results.get(index));
}

/** The worker's side of {@link runTasks}: runs `work` on the task this thread was started with. */
export async function serveTask<Task, Message, Result>(
  work: (task: Task, context: TaskContext<Message>) => Promise<Result>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("serveTask: expected a worker thread, got the main thread");
  const controller = new AbortController();
  port.on("message", (told: ToWorker) => {
    if (told.kind === "abort") controller.abort();
  });
  const send = (message: FromWorker): void => port.postMessage(message);
  try {
    const post = (message: Message): void => send({ kind: "message", message });
    const result = await work((workerData as { task: Task }).task, {
      post,
      signal: controller.signal,
    });
    send({ kind: "result", result });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    send({ kind: "error", message, stack });
  } finally {
    port.close();
  }
}
