/**
 * The program of a kernel thread. scripts/build-kernel-worker.ts bundles it into a string from which threads are
 * started.
 */
import { parentPort, workerData } from "node:worker_threads";
import { serveKernels, type ThreadStart } from "../kernels/simd/threads.ts";

// `serveKernels` blocks the thread until it stops, so the thread first reports that it is ready.
parentPort?.postMessage("ready");
serveKernels(workerData as ThreadStart);
