/** Letting others have their turn in a long loop. */
import type { StopSignal } from "../core/abort.ts";

/**
 * Lets timers and signals have their turn, of which a loop over large layers leaves none.
 *
 * @throws the signal's reason once that is aborted
 */
export function turn(signal: StopSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      if (signal?.aborted === true) reject(signal.reason);
      else resolve();
    });
  });
}
