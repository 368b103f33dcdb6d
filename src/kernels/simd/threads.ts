/** Kernels on several threads: workers instantiate the same module with the same shared memory. */
import { checkFunction, checkObject } from "../../core/checks.ts";
import { WORKSPACE_FLOATS } from "../wasm/gemm-blocking.ts";
import { CallQueue, QUEUE_LENGTH, type RunCall } from "./call-queue.ts";
import type { Memory } from "./memory.ts";
import type { Scheduler, WasmFunction } from "./scheduler.ts";

/** The message that starts the kernels in a worker. */
export interface ThreadStart {
  /** A `WebAssembly.Module`. That type needs the DOM library, so this public declaration cannot name it. */
  readonly module: object;
  /** A shared `WebAssembly.Memory`. */
  readonly memory: object;
  /** The addresses of the call queue and of the worker's working space. */
  readonly queue: number;
  readonly workspace: number;
}

interface ModuleStart extends ThreadStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

export interface KernelThread {
  terminate(): unknown;
}

/** Starts a worker that runs {@link serveKernels}. Resolves when the worker is ready. */
export type StartThread = (start: ThreadStart) => Promise<KernelThread>;

/** The subset of the Web Worker interface that is used here. */
interface WebWorker extends KernelThread {
  postMessage(message: unknown): void;
  addEventListener(type: "message" | "error", listener: (event: unknown) => void): void;
}

/**
 * Returns a function for {@link createThreadedBackend} that starts kernels in Web Workers, which run the script
 * `espalier/worker`. Unless the page is cross-origin isolated, memory cannot be shared, and no workers are started.
 *
 * @example
 * ```ts
 * import { createThreadedBackend, startWebThread } from "espalier/nn";
 *
 * const startThread = startWebThread(
 *   () => new Worker(new URL("espalier/worker", import.meta.url), { type: "module" }),
 * );
 * const backend = await createThreadedBackend({ threads: 1, startThread });
 * if (backend.threads !== 1) throw new Error("expected the calling thread alone");
 * ```
 */
export function startWebThread(createWorker: () => WebWorker): StartThread {
  checkFunction("createWorker", createWorker);
  return (start) =>
    new Promise((resolve, reject) => {
      const { worker, url } = workerWithUrl(createWorker);
      checkObject("the result of createWorker", worker, "postMessage", "addEventListener");
      let isReady = false;
      worker.addEventListener("error", (event) => {
        if (!isReady) worker.terminate();
        reject(workerError(url, event));
      });
      worker.addEventListener("message", () => {
        isReady = true;
        resolve(worker);
      });
      worker.postMessage(start);
    });
}

/**
 * Creates a worker and returns it with the URL of its script. A worker does not expose its URL, so the `Worker`
 * constructor is replaced during the call by one that records it.
 */
function workerWithUrl(createWorker: () => WebWorker): { worker: WebWorker; url: string | null } {
  const realm = globalThis as { Worker?: new (url: unknown, options: unknown) => WebWorker };
  const { Worker } = realm;
  let url: string | null = null;
  if (Worker === undefined) return { worker: createWorker(), url };
  realm.Worker = class extends Worker {
    constructor(script: unknown, options: unknown) {
      super(script, options);
      url = String(script);
    }
  };
  try {
    return { worker: createWorker(), url };
  } finally {
    realm.Worker = Worker;
  }
}

/**
 * Creates the error of a worker. Browsers give a message if a script throws, but not if the script cannot be loaded.
 */
function workerError(url: string | null, event: unknown): Error {
  const message = (event as { readonly message?: unknown }).message;
  const reason = typeof message === "string" ? message : "nothing that loads";
  const script =
    url === null ? "the script espalier/worker" : `the script espalier/worker at ${url}`;
  return new Error(`kernels: expected ${script}, got: ${reason}`, { cause: event });
}

interface ModuleExports {
  readonly workspace: WebAssembly.Global;
  readonly runCall: RunCall;
}

export function setWorkspace(exports: WebAssembly.Exports, address: number): void {
  (exports as unknown as ModuleExports).workspace.value = address;
}

/** Allocates the working space of a module instance and returns its address. */
export function allocateWorkspace(memory: Memory): number {
  return memory.allocate(WORKSPACE_FLOATS).byteOffset;
}

function queueOf(memory: WebAssembly.Memory, address: number, exports: WebAssembly.Exports) {
  const { runCall } = exports as unknown as ModuleExports;
  return new CallQueue(memory.buffer, address, runCall);
}

/** Runs in a worker: instantiates the module, then runs calls until the pool is stopped. */
export function serveKernels(start: ThreadStart): void {
  checkObject("start", start, "module", "memory", "queue", "workspace");
  const { module, memory, queue, workspace } = start as ModuleStart;
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  setWorkspace(exports, workspace);
  queueOf(memory, queue, exports).serve();
}

/** Starts a pool of threads: the calling thread, and a worker for each of the others. */
export async function startPool(
  start: Pick<ModuleStart, "module" | "memory">,
  exports: WebAssembly.Exports,
  memory: Memory,
  threads: number,
  startThread: StartThread,
): Promise<{ readonly scheduler: Scheduler; readonly stop: () => void }> {
  const address = memory.allocate(QUEUE_LENGTH).byteOffset;
  const queue = queueOf(start.memory, address, exports);
  const workspaces = Array.from({ length: threads - 1 }, () => allocateWorkspace(memory));
  const starting = workspaces.map((workspace) =>
    startThread({ ...start, queue: address, workspace }),
  );
  const settled = await Promise.allSettled(starting);
  const workers = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const stop = (): void => {
    queue.stop();
    for (const worker of workers) worker.terminate();
  };
  const failure = settled.find((one) => one.status === "rejected");
  if (failure !== undefined) {
    stop();
    throw failure.reason;
  }
  return { scheduler: poolScheduler(exports, queue, threads), stop };
}

function poolScheduler(exports: WebAssembly.Exports, queue: CallQueue, threads: number): Scheduler {
  let depth = 0;
  // `runCall` numbers the exported functions in this order.
  const names = Object.keys(exports).filter((name) => typeof exports[name] === "function");
  const functions = names.map((name, index) => {
    const run = exports[name] as WasmFunction;
    // The function has as many parameters as any exported function, because a rest parameter would allocate an array.
    // Exported functions ignore surplus arguments.
    const call: WasmFunction = (a, b, c, d, e, f, g, h, i, j, k, l, m, n, o) => {
      queue.checkUsable();
      if (depth === 0) {
        run(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
        return;
      }
      try {
        queue.push(index, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
      } catch (error) {
        // `push` runs a full queue immediately. If that fails, the caller may not close its groups.
        depth = 0;
        throw error;
      }
    };
    return [name, call] as const;
  });
  const openGroup = (): void => {
    depth++;
  };
  const closeGroup = (): void => {
    if (depth > 0) depth--;
    if (depth === 0) queue.run();
  };
  return {
    threads,
    functions: Object.fromEntries(functions),
    openGroup,
    closeGroup,
    independently(body) {
      openGroup();
      try {
        body();
      } catch (error) {
        queue.clear();
        throw error;
      } finally {
        closeGroup();
      }
    },
  };
}
