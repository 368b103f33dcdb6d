/** Lets the event loop turn. */
import type { StopSignal } from "../core/abort.ts";

/**
 * Lets timers and signals run between two parts of a long loop.
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
