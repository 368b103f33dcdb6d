import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Profile } from "../../src/prune/config.ts";
import {
  createPruningScratch,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
} from "../../src/prune/hooks.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import { masksAreFinal, mayChangeMasks } from "../../src/prune/mask-changes.ts";
import type { PruningState } from "../../src/prune/state.ts";
import { dataOf, type Run, runs, runsOf } from "../reference/runs.ts";

/** What is looked at in a step. */
interface Look {
  readonly state: PruningState;
  readonly step: number;
  readonly layers: readonly LayerRecord[];
}

/** The masks on a layer's weight, and whether none can change any more. */
function ownersOf({ state, step }: Look, name: string) {
  const owners = state.pruners.flatMap((pruner) =>
    pruner.layers.filter((layer) => layer.name === name).map((layer) => ({ pruner, layer })),
  );
  return {
    masks: owners.map(({ layer }) => layer.progressiveMask ?? layer.mask),
    mayChange: owners.some(({ pruner }) => mayChangeMasks(pruner, step)),
    final: owners.length > 0 && owners.every(({ pruner }) => masksAreFinal(pruner, step)),
    changesNoWeight: owners.some(({ pruner }) => pruner.config.criterion === "retrain_free"),
  };
}

/** Where a layer is pruned. */
function isPruned(masks: readonly Uint8Array[], index: number): boolean {
  return masks.some((mask) => mask[index] === 0);
}

/** Runs all steps; `begun` is called in each, after its beginning, and may change the gradients. */
function carryOut(
  run: Run,
  profile: Profile,
  begun: (look: Look) => void,
): { readonly masks: string; readonly weights: string } {
  const { config, excludeHead, indivisible, steps } = run;
  const { layers, step: dataAt } = dataOf(run);
  let state: PruningState | undefined;
  try {
    state = initialisePruning(config, layers, { profile, excludeHead, indivisible });
    const scratch = createPruningScratch(state);
    for (let step = 0; step < steps; step++) {
      const { gradients, changes } = dataAt(step);
      const own = layers.map((layer) => ({
        ...layer,
        gradient: gradients.get(layer.name) ?? null,
      }));
      state = onStepBeginInto(state, step, own, scratch);
      begun({ state, step, layers: own });
      state = onBeforeOptimizerStepInto(state, own, scratch);
      for (const { name, data } of layers) {
        const change = changes.get(name);
        for (let i = 0; i < data.length; i++) data[i] += change?.[i] ?? 0;
      }
      state = onAfterOptimizerStepInto(state, own, scratch);
    }
  } catch (error) {
    if (!(error instanceof PruningError)) throw error;
  }
  const masks = state?.pruners.map((pruner) =>
    pruner.layers.map(({ mask, progressiveMask }) => [mask.join(), progressiveMask?.join()]),
  );
  return {
    masks: JSON.stringify(masks ?? null),
    weights: JSON.stringify(layers.map(({ data }) => data.join())),
  };
}

describe.each(["inc", "strict"] as const)("%s", (profile) => {
  const options = { numRuns: runsOf(150) };

  test("masks on weights change only where they may", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const known = new Map<string, string>();
        const final = new Set<string>();
        carryOut(run, profile, (look) => {
          for (const { name } of look.layers) {
            const { masks, mayChange, final: isFinal } = ownersOf(look, name);
            const text = masks.map((mask) => mask.join()).join("|");
            const before = known.get(name);
            if (before !== undefined && (!mayChange || final.has(name)))
              expect(text, `${name} in step ${look.step}`).toBe(before);
            if (final.has(name)) expect(isFinal).toBe(true);
            known.set(name, text);
            if (isFinal) final.add(name);
          }
        });
      }),
      options,
    );
  });

  test("weights that are zero under their masks stay so while the masks stay", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const applied = new Map<string, boolean>();
        carryOut(run, profile, (look) => {
          for (const { name, data } of look.layers) {
            const { masks, mayChange, changesNoWeight } = ownersOf(look, name);
            const isZero = data.every((value, i) => value === 0 || !isPruned(masks, i));
            if (applied.get(name) === true && !mayChange && !changesNoWeight)
              expect(isZero, `${name} in step ${look.step}`).toBe(true);
            applied.set(name, isZero);
          }
        });
      }),
      options,
    );
  });

  test("gradients of pruned weights have no effect once masks are final", () => {
    fc.assert(
      fc.property(runs, (run) => {
        const usual = carryOut(run, profile, () => {});
        const without = carryOut(run, profile, (look) => {
          for (const { name, data, gradient } of look.layers) {
            const { masks, final, changesNoWeight } = ownersOf(look, name);
            if (!final || changesNoWeight) continue;
            if (data.some((value, i) => value !== 0 && isPruned(masks, i))) continue;
            gradient?.forEach((_, i) => {
              if (isPruned(masks, i)) gradient[i] = 0;
            });
          }
        });
        expect(without).toEqual(usual);
      }),
      options,
    );
  });
});
