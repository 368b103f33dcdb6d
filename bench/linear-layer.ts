/** Timing of single linear layers. */
import type { Subject } from "./benchmark.ts";

/** A linear layer: [outputs, inputs], and the tokens of a batch. */
export interface LinearLayer {
  readonly outputs: number;
  readonly inputs: number;
  readonly tokens: number;
}

/** The least time of a product in a round, in milliseconds. */
export const PRODUCT_TIME = 4;

/** Milliseconds per run, over as many runs as fill {@link PRODUCT_TIME}. */
function timeOf(run: () => void): number {
  const start = performance.now();
  let runs = 0;
  let elapsed = 0;
  while (elapsed < PRODUCT_TIME) {
    run();
    runs++;
    elapsed = performance.now() - start;
  }
  return elapsed / runs;
}

/** A product of a layer, on one thread. */
export function productSubject(name: string, run: () => void): Subject<"run"> {
  return { name, threads: 1, kinds: ["run"], time: () => timeOf(run), stop: () => undefined };
}
