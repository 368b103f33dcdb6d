/** The executable: the command line on the main thread, one seed's training on a worker thread. */

import { isMainThread } from "node:worker_threads";
import { trainSeed } from "../node/seed-run.ts";
import { listenForInterruption } from "../node/signals.ts";
import { serveTask } from "../node/workers.ts";
import type { TextOutput } from "./console.ts";
import { runCommandLine } from "./dispatch.ts";

function textOutput(stream: NodeJS.WriteStream): TextOutput {
  return {
    write: (text) => {
      stream.write(text);
    },
    isTerminal: stream.isTTY === true,
    columns: stream.columns ?? 80,
  };
}

async function runMainThread(): Promise<void> {
  const err = textOutput(process.stderr);
  const interruption = listenForInterruption(() =>
    err.write("\nStopping at the next step; interrupt again to stop at once.\n"),
  );
  try {
    const console = {
      out: textOutput(process.stdout),
      err,
      signal: interruption.signal,
      workerScript: new URL(import.meta.url),
    };
    process.exitCode = await runCommandLine(process.argv.slice(2), console);
  } finally {
    interruption.release();
  }
}

await (isMainThread ? runMainThread() : serveTask(trainSeed));
