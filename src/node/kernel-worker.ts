/** The program of a kernel's worker thread; built into a text, from which the thread is started. */
import { parentPort, workerData } from "node:worker_threads";
import { serveKernels, type ThreadStart } from "../kernels/simd/threads.ts";

// Posted before serving begins, which leaves no time for messages until the end.
parentPort?.postMessage("ready");
serveKernels(workerData as ThreadStart);
