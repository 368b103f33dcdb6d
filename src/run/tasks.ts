/** Runs tasks concurrently, in this thread or on workers. */

import type { StopSignal } from "../core/abort.ts";
/** Connects a running task to its caller. */
export interface TaskContext<Message> {
  /** Sends a message to the caller. Resolves when the caller has handled it. */
  readonly post: (message: Message) => Promise<void>;
  /** The signal that tells the task to stop. */
  readonly signal: StopSignal;
}

/** Runs one task, in this thread or on a worker. */
export type TaskRunner<Task, Message, Result> = (
  task: Task,
  context: TaskContext<Message>,
) => Promise<Result>;

interface TaskRun<Task, Message, Result> {
  readonly tasks: readonly Task[];
  readonly runner: TaskRunner<Task, Message, Result>;
  /** Maximum number of tasks that run at once. */
  readonly atOnce: number;
  readonly onMessage: (index: number, message: Message) => Promise<void>;
  readonly signal: StopSignal;
}

/**
 * Runs all tasks and returns their results in the order of the tasks. After an abort, no more tasks are started; the
 * result of a task that was not started is undefined. If a task fails, the others are aborted, and the error is thrown
 * when all running tasks have ended.
 */
export async function runTasks<Task, Message, Result>(
  run: TaskRun<Task, Message, Result>,
): Promise<readonly (Result | undefined)[]> {
  const results = new Map<number, Result>();
  const failures: unknown[] = [];
  const waiting = [...run.tasks.entries()];
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  if (run.signal.aborted) abort();
  run.signal.addEventListener("abort", abort);
  const lane = async (): Promise<void> => {
    for (;;) {
      const next = stop.signal.aborted ? undefined : waiting.shift();
      if (next === undefined) return;
      const [index, task] = next;
      const post = (message: Message): Promise<void> => run.onMessage(index, message);
      try {
        results.set(index, await run.runner(task, { post, signal: stop.signal }));
      } catch (error) {
        failures.push(error);
        abort();
      }
    }
  };
  const lanes = Math.min(Math.max(1, run.atOnce), run.tasks.length);
  await Promise.all(Array.from({ length: lanes }, lane));
  run.signal.removeEventListener("abort", abort);
  if (failures.length > 0) throw failures[0];
  return run.tasks.map((_, index) => results.get(index));
}
