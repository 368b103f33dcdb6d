/** Handles the signals SIGINT and SIGTERM. */

/**
 * Listens for SIGINT and SIGTERM. The first one aborts `signal`, so that a run can finish the current step and save a
 * snapshot. The second one ends the process immediately. `release` stops listening.
 *
 * @param onRequest called at the first signal, to inform the user
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
