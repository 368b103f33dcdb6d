/** Stops on request: the first SIGINT or SIGTERM asks, the second one insists. */

/**
 * Listens for SIGINT and SIGTERM. The first aborts `signal`, so that a run can end after the current step and save
 * itself; a second one ends the process at once. `release` stops listening.
 *
 * @param onRequest called at the first signal, to tell the user what happens now
 */
export function listenForInterruption(onRequest: () => void): {
  readonly signal: AbortSignal;
  readonly release: () => void;
} {
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
