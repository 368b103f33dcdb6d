/** Yields to the event loop. */
import type { StopSignal } from "../core/abort.ts";

/**
 * Lets timers and signal handlers run between two iterations of a long loop.
 *
 * @throws the signal's reason after an abort
 */
export function turn(signal: StopSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      if (signal?.aborted === true) reject(signal.reason);
      else resolve();
    });
  });
}
