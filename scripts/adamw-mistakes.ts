/** Mistakes that an implementation of AdamW may have, and how far from a bound they lead. */
import type { Comparison } from "../src/conform/difference.ts";
import type { Backend } from "../src/kernels/backend.ts";
import type { AdamWConstants, Kernels } from "../src/kernels/table.ts";

type Update = Kernels["adamwTorch"];
export type Mistake = (update: Update, decay: "before" | "after") => Update;

/** Returns an update with other constants. */
const withConstants =
  (change: (constants: AdamWConstants) => Partial<AdamWConstants>): Mistake =>
  (update) =>
  (p, g, m, v, constants) =>
    update(p, g, m, v, { ...constants, ...change(constants) });

const decayedInPlace = (p: Float32Array, { learningRate, weightDecay }: AdamWConstants): void => {
  for (let i = 0; i < p.length; i++) p[i] = (p[i] as number) * (1 - learningRate * weightDecay);
};

export const MISTAKES: Readonly<Record<string, Mistake>> = {
  none: (update) => update,
  // A vector with epsilon 1e-6 gets the usual 1e-8 instead.
  "epsilon 1e-6": withConstants(({ epsilon }) => ({ epsilon: epsilon === 1e-6 ? 1e-8 : 1e-6 })),
  "no bias correction": withConstants(() => ({ c1: 1, c2: 1 })),
  "swapped betas": withConstants(({ beta1, beta2, c1, c2 }) => ({
    beta1: beta2,
    beta2: beta1,
    c1: c2,
    c2: c1,
  })),
  "decay in the gradient": (update) => (p, g, m, v, constants) => {
    const decayed = g.map((entry, i) => entry + constants.weightDecay * (p[i] as number));
    g.set(decayed);
    update(p, g, m, v, { ...constants, weightDecay: 0 });
  },
  // For transformers' AdamW, which decays after the update, the mistake is to decay before it.
  "decay on the other side": (update, decay) => (p, g, m, v, constants) => {
    if (decay === "after") decayedInPlace(p, constants);
    update(p, g, m, v, { ...constants, weightDecay: 0 });
    if (decay === "before") decayedInPlace(p, constants);
  },
};

/** Returns a backend whose updates of parameters have a mistake. */
export function withMistake(backend: Backend, mistake: Mistake): Backend {
  const { kernels } = backend;
  const adamwTorch = mistake(kernels.adamwTorch, "before");
  const adamwTransformers = mistake(kernels.adamwTransformers, "after");
  return { ...backend, kernels: { ...kernels, adamwTorch, adamwTransformers } };
}

/** Returns the largest ratio of a parameter's difference to its bound; losses are left out. */
export function largestRatio(comparisons: Iterable<Comparison>): number {
  let largest = 0;
  for (const { place, expected, got, tolerance } of comparisons) {
    if (place.layer === undefined || typeof expected === "number" || typeof got === "number")
      continue;
    for (let i = 0; i < expected.length; i++) {
      const difference = Math.abs((expected[i] as number) - (got[i] as number));
      const allowed = typeof tolerance === "function" ? tolerance(i) : 0;
      if (difference > 0) largest = Math.max(largest, difference / allowed);
      if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    }
  }
  return largest;
}
