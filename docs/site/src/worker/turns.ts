/** Lets messages arrive between the parts of a long task. */

/** How long the worker computes before it looks for messages, in milliseconds. */
const SLICE = 40;

/** Returns a function to await between parts. It rejects with the signal's reason after an abort. */
export function turnsUnder(signal: AbortSignal): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began > SLICE) {
      await new Promise((resolve) => setTimeout(resolve));
      began = performance.now();
    }
    signal.throwIfAborted();
  };
}
