/** Stopping on request: the first SIGINT or SIGTERM asks, the second one insists. */

/** An AbortSignal that the process's signals raise, and how to stop listening. */
export interface Interruption {
  readonly signal: AbortSignal;
  readonly release: () => void;
}

/**
 * Listens for SIGINT and SIGTERM. The first aborts the signal, so that a run can end at a step's boundary
 * and save itself; a second one ends the process at once.
 *
 * @param onRequest called at the first signal, to tell the user what happens now
 */
export function listenForInterruption(onRequest: () => void): Interruption {
  const controller = new AbortController();
  const handle = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    onRequest();
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return {
    signal: controller.signal,
    release: () => {
      process.off("SIGINT", handle);
      process.off("SIGTERM", handle);
    },
  };
}
