import type { Backend } from "../../src/kernels/backend.ts";

/** Returns a backend whose memory refuses every reservation after the first `count` ones. */
function scarce({ kernels, memory }: Backend, count: number): Backend {
  let left = count;
  const spend = (): void => {
    if (left === 0) throw new RangeError("memory: spent");
    left--;
  };
  return {
    kernels,
    memory: {
      ...memory,
      reserve(length) {
        spend();
        return memory.reserve(length);
      },
      allocate(length) {
        spend();
        return memory.allocate(length);
      },
    },
  };
}

/**
 * Runs `body` with memory that ends after 0, 1, 2, ... reservations, until it succeeds; after each failure, calls
 * `onFailure`. Returns the result of the run that succeeds.
 */
export function withScarceMemory<T>(
  backend: Backend,
  body: (backend: Backend) => T,
  onFailure: () => void,
): T {
  for (let count = 0; ; count++) {
    try {
      return body(scarce(backend, count));
    } catch (error) {
      if (!(error instanceof Error && error.message === "memory: spent")) throw error;
      onFailure();
    }
  }
}
