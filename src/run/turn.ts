/** Yields to the event loop, in any environment. */
import type { StopSignal } from "../core/abort.ts";

/** Milliseconds of work between two turns: a page can then draw 60 frames a second. */
const WORK = 12;

/**
 * Returns a function that lets timers and events run if the last time is long enough ago.
 *
 * @throws the signal's reason after an abort
 */
export function createTurn(signal?: StopSignal): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last >= WORK) {
      await new Promise<void>((resolve) => {
        setTimeout(resolve);
      });
      last = performance.now();
    }
    if (signal?.aborted === true) throw signal.reason;
  };
}
