/** Runs tasks on worker threads. A worker receives a task, posts messages while it runs, then posts the result. */

import { parentPort, workerData } from "node:worker_threads";
import { InputError, type Problem } from "../core/either.ts";
import type { TaskRunner } from "../run/tasks.ts";
import { scriptError, startScript } from "./worker-script.ts";

type FromWorker =
  | { readonly kind: "message"; readonly message: unknown }
  | { readonly kind: "result"; readonly result: unknown }
  | {
      readonly kind: "error";
      readonly message: string;
      readonly stack: string | undefined;
      /** The problems of an InputError. */
      readonly problems?: readonly Problem[] | undefined;
    };

/** A message to a worker while it runs a task. */
type ToWorker = { readonly kind: "abort" };

/** Returns a function that runs each task on a new worker. The script must call {@link serveTask}. */
export function workerRunner<Task, Message, Result>(script: {
  readonly href: string;
}): TaskRunner<Task, Message, Result> {
  return async (task, { post, signal }) => {
    const worker = startScript(script, { task });
    const abort = (): void => worker.postMessage({ kind: "abort" } satisfies ToWorker);
    // Resolves when all messages so far have been handled.
    let handled: Promise<void> = Promise.resolve();
    return new Promise<Result>((resolve, reject) => {
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
      worker.on("message", (posted: FromWorker) => {
        switch (posted.kind) {
          case "message": {
            const done = post(posted.message as Message);
            handled = handled.then(() => done).catch(reject);
            return;
          }
          case "result":
            handled.then(() => resolve(posted.result as Result));
            return;
          case "error":
            return reject(errorOf(posted));
          default:
            return posted satisfies never;
        }
      });
      worker.on("error", (error) => reject(scriptError(script, error)));
      worker.on("exit", (code) =>
        handled.then(() => reject(new Error(`a worker ended early with code ${code}`))),
      );
    }).finally(() => {
      signal.removeEventListener("abort", abort);
      return worker.terminate();
    });
  };
}

function errorOf({ message, stack, problems }: FromWorker & { readonly kind: "error" }): Error {
  if (problems !== undefined) return new InputError(problems);
  return Object.assign(new Error(message), { stack });
}

/** Runs the task for which {@link workerRunner} started this worker thread. */
export async function serveTask<Task, Message, Result>(
  runner: TaskRunner<Task, Message, Result>,
): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("serveTask: expected a worker thread, got the main thread");
  const controller = new AbortController();
  port.on("message", (told: ToWorker) => {
    if (told.kind === "abort") controller.abort();
  });
  const send = (message: FromWorker): void => port.postMessage(message);
  const post = async (message: Message): Promise<void> => send({ kind: "message", message });
  try {
    const { task } = workerData as { readonly task: Task };
    send({ kind: "result", result: await runner(task, { post, signal: controller.signal }) });
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    const problems = error instanceof InputError ? error.problems : undefined;
    send({ kind: "error", message, stack, problems });
  } finally {
    port.close();
  }
}
