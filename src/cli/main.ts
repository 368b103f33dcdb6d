/** The executable. The main thread runs the command line; worker threads train one seed or prune tensors. */

import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { nodeEngine } from "../node/engine.ts";
import { nodePlatform } from "../node/fine-tune.ts";
import { isPruningThread, servePruning } from "../node/pruning-threads.ts";
import { listenForInterruption } from "../node/signals.ts";
import { serveTask } from "../node/workers.ts";
import { type SeedMessage, type SeedTask, trainSeed } from "../run/seed.ts";
import type { TaskContext } from "../run/tasks.ts";
import type { TextOutput } from "./console.ts";
import { runCommandLine } from "./dispatch.ts";

function textOutput(stream: NodeJS.WriteStream): TextOutput {
  return {
    write: (text) => void stream.write(text),
    isTerminal: stream.isTTY === true,
    // Node sets `columns` to 0 if the width is unknown.
    columns: stream.columns || 80,
  };
}

/** The exit code for an internal error of this program. */
const INTERNAL_ERROR = 70;

async function runMainThread(): Promise<void> {
  const err = textOutput(process.stderr);
  // A reader such as `head` may close the pipe early, which is not a failure of the run.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const interruption = listenForInterruption(() =>
    err.write("\nStopping at the next step; interrupt again to stop at once.\n"),
  );
  try {
    const console = {
      out: textOutput(process.stdout),
      err,
      signal: interruption.signal,
      workerScript: new URL(import.meta.url),
      engine: nodeEngine(fileURLToPath(import.meta.url)),
    };
    process.exitCode = await runCommandLine(process.argv.slice(2), console);
  } catch (error) {
    err.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = INTERNAL_ERROR;
  } finally {
    interruption.release();
  }
}

function runSeed(task: SeedTask, context: TaskContext<SeedMessage>) {
  return trainSeed(nodePlatform, task, context);
}

/** Runs the task for which this worker thread was started. */
function runThread(): Promise<void> {
  return isPruningThread() ? servePruning() : serveTask(runSeed);
}

await (isMainThread ? runMainThread() : runThread());
