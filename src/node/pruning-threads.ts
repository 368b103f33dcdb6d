/** Runs pruning tasks on threads. Each thread opens the checkpoint itself, and has one tensor in memory. */

import { parentPort, type Worker, workerData } from "node:worker_threads";
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
import { createPruningKernels } from "../train/pruning.ts";
import { openCheckpointOrThrow } from "./checkpoint-reader.ts";
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
  | { readonly kind: "other"; readonly message: string; readonly stack: string | undefined };

type FromThread = { readonly result: unknown } | { readonly error: SentError };

function sentError(error: unknown): SentError {
  if (error instanceof PruningError) {
    const { code, problem, layer } = error;
    return { kind: "pruning", code, problem, layer };
  }
  if (error instanceof InputError) return { kind: "input", problems: error.problems };
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { kind: "other", message, stack };
}

function receivedError(sent: SentError): Error {
  switch (sent.kind) {
    case "pruning":
      return new PruningError(sent.code, sent.problem, sent.layer);
    case "input":
      return new InputError(sent.problems);
    case "other":
      return Object.assign(new Error(sent.message), { stack: sent.stack });
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
  readonly gradients: Checkpoint | null;
  readonly gzip: boolean;
  readonly threads: number;
  /** The script of the threads. It must call {@link servePruning} if {@link isPruningThread} returns true. */
  readonly script: { readonly href: string };
}

/** Creates pruning tasks that run on threads. The first tasks start the threads. */
export function pruningThreads({
  checkpoint,
  gradients,
  gzip,
  threads,
  script,
}: ThreadedPruning): PruningThreads {
  const start: ThreadStart = {
    checkpoint: checkpoint.path,
    gradients: gradients?.path ?? null,
    gzip,
  };
  const workers: Worker[] = [];
  const free: Worker[] = [];
  const spare: Uint8Array<ArrayBuffer>[] = [];
  const startWorker = (): Worker => {
    const worker = startScript(script, { [START]: start });
    workers.push(worker);
    return worker;
  };
  const ask = async (message: ToThread, memory?: Uint8Array<ArrayBuffer>): Promise<unknown> => {
    const worker = free.pop() ?? startWorker();
    const answer = await new Promise<FromThread>((resolve, reject) => {
      const fail = (error: unknown): void => reject(scriptError(script, error));
      const end = (code: number): void => fail(new Error(`a thread ended early with code ${code}`));
      worker.once("error", fail).once("exit", end);
      worker.once("message", (got: FromThread) => {
        worker.off("error", fail).off("exit", end);
        resolve(got);
      });
      worker.postMessage(message, memory ? [memory.buffer] : []);
    });
    free.push(worker);
    if ("error" in answer) throw receivedError(answer.error);
    return answer.result;
  };
  return {
    atOnce: threads,
    count: async (task) => (await ask({ kind: "count", task })) as HalfCounts,
    prune: async (task) => {
      const memory = spare.pop();
      return (await ask({ kind: "prune", task: { ...task, memory } }, memory)) as TensorResult;
    },
    recycle: ({ buffer }) => {
      if (!(buffer instanceof ArrayBuffer)) return;
      spare.push(new Uint8Array(buffer));
      // Keep the largest buffers, because they suit tensors of any size.
      spare.sort((a, b) => b.length - a.length).splice(threads);
    },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
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
      kernels: createPruningKernels(createBackend()),
    }))();
  port.on("message", async (message: ToThread) => {
    const send = (answer: FromThread, moved: readonly ArrayBuffer[] = []): void =>
      port.postMessage(answer, moved);
    try {
      const tasks = await opened;
      if (message.kind === "count") return send({ result: await tasks.count(message.task) });
      const result = await tasks.prune(message.task);
      const { buffer } = result.bytes;
      send({ result }, buffer instanceof ArrayBuffer ? [buffer] : []);
    } catch (error) {
      send({ error: sentError(error) });
    }
  });
}
