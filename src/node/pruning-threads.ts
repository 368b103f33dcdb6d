/** Runs pruning tasks on threads. Each thread opens the checkpoint itself, and writes to the copy itself. */

import { parentPort, workerData } from "node:worker_threads";
import { gzipSync } from "node:zlib";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import {
  type CountTask,
  type PruningTasks,
  type TensorResult,
  type TensorTask,
  tasksHere,
} from "../checkpoint/pruning-tasks.ts";
import { InputError, type Problem } from "../core/either.ts";
import { createBackend } from "../kernels/backend.ts";
import { PruningError } from "../prune/layer.ts";
import type { HalfCounts } from "../prune/layer-scores.ts";
import { pruningMemory } from "../run/pruning-memory.ts";
import { openCheckpointOrThrow } from "./checkpoint-reader.ts";
import { writeAll } from "./files.ts";
import { scriptError, startScript } from "./worker-script.ts";

/** The paths of the files that a thread opens, and whether it measures sizes after gzip compression. */
interface ThreadStart {
  readonly checkpoint: string;
  readonly gradients: string | null;
  readonly gzip: boolean;
}

/** The key of {@link ThreadStart} in the `workerData` of a thread. */
const START = "pruning";

type ToThread =
  | { readonly kind: "count"; readonly task: CountTask }
  | { readonly kind: "prune"; readonly task: TensorTask };

/** An error as plain data, because messages between threads lose the class of an error. */
type SentError =
  | {
      readonly kind: "pruning";
      readonly code: PruningError["code"];
      readonly problem: Problem;
      readonly layer: string | undefined;
    }
  | { readonly kind: "input"; readonly problems: readonly Problem[] }
  | {
      readonly kind: "other";
      readonly message: string;
      readonly stack: string | undefined;
      /** The properties of a system error. */
      readonly system: Readonly<Record<string, unknown>>;
    };

type FromThread = { readonly result: unknown } | { readonly error: SentError };

function sentError(error: unknown): SentError {
  if (error instanceof PruningError) {
    const { code, problem, layer } = error;
    return { kind: "pruning", code, problem, layer };
  }
  if (error instanceof InputError) return { kind: "input", problems: error.problems };
  const { message, stack, ...system } = error instanceof Error ? error : new Error(String(error));
  return { kind: "other", message, stack, system };
}

function receivedError(sent: SentError): Error {
  switch (sent.kind) {
    case "pruning":
      return new PruningError(sent.code, sent.problem, sent.layer);
    case "input":
      return new InputError(sent.problems);
    case "other":
      return Object.assign(new Error(sent.message), { stack: sent.stack }, sent.system);
    default:
      return sent satisfies never;
  }
}

/** Pruning tasks on threads, with a function that ends the threads. */
export interface PruningThreads extends PruningTasks {
  readonly stop: () => Promise<void>;
}

/** The checkpoint to prune on threads, and how the threads are started. */
interface ThreadedPruning {
  readonly checkpoint: Checkpoint;
  /** The path that the threads open. */
  readonly path: string;
  readonly gradients: Checkpoint | null;
  readonly gzip: boolean;
  readonly threads: number;
  /** The script of the threads. It must call {@link servePruning} if {@link isPruningThread} returns true. */
  readonly script: { readonly href: string };
}

interface PruningThread {
  readonly answerTo: (message: ToThread) => Promise<FromThread>;
  /** Rejects if the thread fails. */
  readonly failure: Promise<never>;
  readonly stop: () => Promise<unknown>;
}

function startThread(script: ThreadedPruning["script"], start: ThreadStart): PruningThread {
  const worker = startScript(script, { [START]: start });
  const failure = new Promise<never>((_, reject) => {
    worker.once("error", (error) => reject(scriptError(script, error)));
    worker.once("exit", (code) => reject(new Error(`a thread ended early with code ${code}`)));
  });
  // A failure matters only to the task that waits for the thread.
  failure.catch(() => undefined);
  return {
    failure,
    answerTo: (message) =>
      new Promise((resolve) => {
        worker.once("message", resolve);
        worker.postMessage(message);
      }),
    stop: () => worker.terminate(),
  };
}

/** Starts threads, and creates pruning tasks that run on them. */
export function pruningThreads({
  checkpoint,
  path,
  gradients,
  gzip,
  threads,
  script,
}: ThreadedPruning): PruningThreads {
  const start: ThreadStart = {
    checkpoint: path,
    gradients: gradients?.path ?? null,
    gzip,
  };
  const atOnce = Math.max(1, Math.min(threads, checkpoint.entries.length));
  // Started at once, because starting takes as long as pruning a small checkpoint.
  const workers = Array.from({ length: atOnce }, () => startThread(script, start));
  const free = [...workers];
  const ask = async (message: ToThread): Promise<unknown> => {
    const thread = free.pop();
    if (thread === undefined) throw new Error(`expected at most ${atOnce} tasks at once`);
    const answer = await Promise.race([thread.answerTo(message), thread.failure]);
    free.push(thread);
    if ("error" in answer) throw receivedError(answer.error);
    return answer.result;
  };
  return {
    atOnce,
    count: async (task) => (await ask({ kind: "count", task })) as HalfCounts,
    prune: async (task) => (await ask({ kind: "prune", task })) as TensorResult,
    stop: async () => {
      await Promise.all(workers.map(({ stop }) => stop()));
    },
  };
}

/** Whether {@link pruningThreads} started this thread. */
export function isPruningThread(): boolean {
  return typeof workerData === "object" && workerData !== null && START in workerData;
}

/** Runs the pruning tasks that this thread receives. */
export async function servePruning(): Promise<void> {
  const port = parentPort;
  if (port === null) throw new Error("servePruning: expected a worker thread, got the main thread");
  const { checkpoint, gradients, gzip } = workerData[START] as ThreadStart;
  const opened = (async () =>
    tasksHere({
      checkpoint: await openCheckpointOrThrow(checkpoint),
      gradients: gradients === null ? null : await openCheckpointOrThrow(gradients),
      compressedBytes: gzip ? (bytes) => gzipSync(bytes).length : null,
      ...pruningMemory(createBackend()),
    }))();
  port.on("message", async (message: ToThread) => {
    const send = (answer: FromThread): void => port.postMessage(answer);
    try {
      const tasks = await opened;
      if (message.kind === "count") return send({ result: await tasks.count(message.task) });
      const { descriptor, position } = message.task.place;
      const result = await tasks.prune(message.task, (bytes, at) =>
        writeAll(descriptor, bytes, position + at),
      );
      send({ result });
    } catch (error) {
      send({ error: sentError(error) });
    }
  });
}
