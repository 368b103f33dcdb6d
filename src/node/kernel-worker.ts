/** The program of a kernel thread. scripts/build-kernel-worker.ts bundles it into a string that starts threads. */
import { parentPort, workerData } from "node:worker_threads";
import { serveKernels, type ThreadStart } from "../kernels/simd/threads.ts";

// Serving blocks the thread until it stops, so the thread reports first that it is ready.
parentPort?.postMessage("ready");
serveKernels(workerData as ThreadStart);
