/** Runs kernels on Node's worker threads. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { checkOptions } from "../core/checks.ts";
import {
  type BackendOptions,
  createThreadedBackend,
  MOST_THREADS,
  type ThreadedBackend,
} from "../kernels/backend.ts";
import type { KernelThread, ThreadStart } from "../kernels/simd/threads.ts";
import { KERNEL_WORKER } from "./kernel-worker.generated.ts";

/** Options for {@link createNodeBackend}. */
export interface NodeBackendOptions extends BackendOptions {
  /** The number of threads. Default: the number of cores. */
  readonly threads?: number;
}

/**
 * Creates a backend whose kernels run on worker threads. The threads do not keep the process alive.
 *
 * @throws RangeError if this engine cannot run the variant, or if `threads` is invalid
 *
 * @example
 * ```ts
 * import { createNodeBackend } from "espalier/node";
 *
 * const backend = await createNodeBackend({ threads: 2 });
 * if (backend.kernels.variant !== "scalar" && backend.threads !== 2) throw new Error();
 * backend.stop();
 * ```
 */
export async function createNodeBackend(
  options: NodeBackendOptions = {},
): Promise<ThreadedBackend> {
  checkOptions("options", options, ["variant", "threads"]);
  const { threads = Math.min(availableParallelism(), MOST_THREADS), ...others } = options;
  return createThreadedBackend({ ...others, threads, startThread });
}

function startThread(start: ThreadStart): Promise<KernelThread> {
  // With inherited options of Node, the worker could load this CommonJS program as an ES module.
  const worker = new Worker(KERNEL_WORKER, { eval: true, workerData: start, execArgv: [] });
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("kernels: a thread ended before it was ready")));
    worker.once("message", () => {
      worker.unref();
      resolve({ terminate: () => void worker.terminate() });
    });
  });
}
