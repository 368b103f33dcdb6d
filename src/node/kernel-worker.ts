/** The program of a kernel thread; it is built into a text, from which threads are started. */
import { parentPort, workerData } from "node:worker_threads";
import { serveKernels, type ThreadStart } from "../kernels/simd/threads.ts";

// Serving blocks the thread until its end, so this comes first.
parentPort?.postMessage("ready");
serveKernels(workerData as ThreadStart);
