/** The script of the worker: runs tasks, and stops those that the page cancels. */
import { formatProblem, InputError } from "../../../../src/core/either.ts";
import { createTasks } from "./checkpoint-tasks.ts";
import type { FromWorker, TaskName, ToWorker } from "./protocol.ts";
import type { TrainingNews } from "./training-protocol.ts";

const tasks = createTasks();
const running = new Map<number, AbortController>();

function send(message: FromWorker): void {
  postMessage(message);
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof InputError) return error.problems.map(formatProblem);
  return [error instanceof Error ? error.message : String(error)];
}

async function run(id: number, name: TaskName, input: unknown): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  // The page sends each task the input that the protocol declares for it.
  const task = tasks[name] as (input: unknown, run: object) => Promise<unknown>;
  try {
    const output = await task(input, {
      signal: controller.signal,
      onProgress: (progress: { done: number; total: number }) =>
        send({ kind: "progress", id, progress }),
      onNews: (news: TrainingNews) => send({ kind: "news", id, news }),
    });
    send({ kind: "done", id, output });
  } catch (error) {
    const problems = controller.signal.aborted ? ["cancelled"] : problemsOf(error);
    send({ kind: "failed", id, problems });
  } finally {
    running.delete(id);
  }
}

addEventListener("message", ({ data }: MessageEvent<ToWorker>) => {
  switch (data.kind) {
    case "task":
      void run(data.id, data.name, data.input);
      break;
    case "cancel":
      running.get(data.id)?.abort();
      break;
    default:
      data satisfies never;
  }
});
