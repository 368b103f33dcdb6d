/** What the strict profile promises, over random runs. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countBlocks, keptLimit } from "../../src/prune/count.ts";
import { exactCount } from "../../src/prune/exact.ts";
import {
  createPruningScratch,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
} from "../../src/prune/hooks.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import { pruneOnce } from "../../src/prune/once.ts";
import { perBlock } from "../../src/prune/pattern.ts";
import type { PrunerState, PruningState } from "../../src/prune/state.ts";
import { dataOf, type Run, runs, runsOf } from "../reference/runs.ts";
import { exactValues, mostOf, patterns } from "./models.ts";

const LONG = 3_600_000;

/** Runs under `strict` and calls `visit` after each step's beginning and end. False where the plan is refused. */
function follow(
  run: Run,
  visit: (state: PruningState, layers: readonly LayerRecord[]) => void,
): boolean {
  const { layers, step: dataAt } = dataOf(run);
  let state: PruningState;
  try {
    state = initialisePruning(run.config, layers, {
      profile: "strict",
      excludeHead: run.excludeHead,
    });
  } catch (error) {
    if (error instanceof PruningError) return false;
    throw error;
  }
  const scratch = createPruningScratch(state);
  visit(state, layers);
  for (let step = 0; step < run.steps; step++) {
    const { gradients, changes } = dataAt(step);
    const own = layers.map((layer) => ({ ...layer, gradient: gradients.get(layer.name) ?? null }));
    // Whatever was planned is carried out: a refusal here fails the property.
    state = onStepBeginInto(state, step, own, scratch);
    visit(state, layers);
    state = onBeforeOptimizerStepInto(state, own, scratch);
    for (const { name, data } of layers)
      changes.get(name)?.forEach((change, i) => {
        data[i] = (data[i] as number) + change;
      });
    state = onAfterOptimizerStepInto(state, own, scratch);
    visit(state, layers);
  }
  return true;
}

/** Pruned blocks and all blocks of each layer. */
function countsOf({ config, layers }: PrunerState): { pruned: number; total: number }[] {
  return layers.map(({ layout, mask }) => countBlocks(layout, mask, keptLimit(config.pattern)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Counts, and bounds on layers, at a prune step. `before`: the layers' counts until then. */
function expectPromises(pruner: PrunerState, before: readonly number[], ratio: number): void {
  const { pattern, pruningScope, minSparsityRatioPerOp, maxSparsityRatioPerOp } = pruner.config;
  const counts = countsOf(pruner);
  const wanted = perBlock(pattern, ratio);
  const budgets = pruningScope === "global" ? [counts] : counts.map((count) => [count]);
  const starts = pruningScope === "global" ? [before] : before.map((count) => [count]);
  budgets.forEach((budget, i) => {
    const settled = sum(starts[i] as number[]);
    const exact = exactCount(sum(budget.map(({ total }) => total)), wanted);
    expect(sum(budget.map(({ pruned }) => pruned))).toBe(Math.max(settled, exact));
  });
  const least = perBlock(pattern, Math.min(minSparsityRatioPerOp, ratio));
  const owed = counts.map(({ total }, i) =>
    Math.max(exactCount(total, least), before[i] as number),
  );
  counts.forEach(({ pruned, total }, i) => {
    const most = exactCount(total, perBlock(pattern, maxSparsityRatioPerOp));
    expect(pruned).toBeLessThanOrEqual(Math.max(most, before[i] as number));
    if (pruned >= (owed[i] as number)) return;
    // The budget did not suffice for all layers' fewest; then none has more than that.
    counts.forEach((other, j) => {
      if (pruningScope === "global") expect(other.pruned).toBeLessThanOrEqual(owed[j] as number);
    });
  });
}

test(
  "exact counts and bounds at every prune step; what is planned is carried out",
  () => {
    fc.assert(
      fc.property(runs, (run) => {
        let before: number[][] = [];
        follow(run, (state) => {
          state.pruners.forEach((pruner, i) => {
            const { lastEvent, step, handledStep, config } = pruner;
            const isNew = lastEvent?.step === step && handledStep === step && lastEvent.scored;
            // Zeros taken over at the same step come before the count.
            if (isNew && !config.lockInitSparsity)
              expectPromises(pruner, before[i] as number[], lastEvent.targetRatio);
          });
          before = state.pruners.map((pruner) => countsOf(pruner).map(({ pruned }) => pruned));
        });
      }),
      { numRuns: runsOf(60) },
    );
  },
  LONG,
);

test(
  "masks only lose elements, pruned weights are zero, and N:M prunes N of M",
  () => {
    fc.assert(
      fc.property(runs, (run) => {
        let before: (readonly Uint8Array[])[] = [];
        follow(run, (state, layers) => {
          const masks = state.pruners.map((pruner) =>
            pruner.layers.flatMap(({ mask, progressiveMask }) =>
              [mask, progressiveMask ?? mask].map((one) => one.slice()),
            ),
          );
          before.forEach((own, i) => {
            own.forEach((mask, j) => {
              expect(masks[i]?.[j]?.every((bit, at) => bit <= (mask[at] as number))).toBe(true);
            });
          });
          before = masks;
          state.pruners.forEach((pruner, i) => {
            expectZeros(pruner, masks[i] as Uint8Array[], layers);
          });
        });
      }),
      { numRuns: runsOf(60) },
    );
  },
  LONG,
);

/** Weights under the applied masks are zero once a step has ended; groups lose at most N. */
function expectZeros(
  { config, layers: own, lastEvent, step, handledStep }: PrunerState,
  masks: readonly Uint8Array[],
  layers: readonly LayerRecord[],
): void {
  const { pattern, method, criterion, lockInitSparsity } = config;
  const ended = handledStep === step - 1;
  own.forEach(({ name, mask }, i) => {
    const data = layers.find((layer) => layer.name === name)?.data as Float32Array;
    const applied = masks[2 * i + 1] as Uint8Array;
    const due = criterion !== "retrain_free" || step > config.endStep;
    if (ended && due && lastEvent !== null)
      expect(data.every((value, at) => applied[at] === 1 || value === 0)).toBe(true);
    if (pattern.kind !== "group" || lockInitSparsity || method === "pattern_lock") return;
    // Rows are whole multiples of M; a convolution's groups lie across channels and are counted elsewhere.
    if (layers.find((layer) => layer.name === name)?.kind !== "linear") return;
    for (let start = 0; start < mask.length; start += pattern.of) {
      const kept = sum([...mask.subarray(start, start + pattern.of)]);
      expect([pattern.of, pattern.of - pattern.prune]).toContain(kept);
    }
  });
}

describe("one shot", () => {
  const rows = fc.array(exactValues(8), { minLength: 2, maxLength: 8 });
  const record = (name: string, data: readonly Float32Array[]): LayerRecord => ({
    name,
    kind: "linear",
    shape: [data.length, 8],
    data: Float32Array.from(data.flatMap((row) => [...row])),
  });
  const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

  test(
    "the lowest scores go, of equals the lowest index",
    () => {
      fc.assert(
        fc.property(rows, share, (data, targetSparsity) => {
          const layer = record("a", data);
          const { masks } = pruneOnce([layer], {
            pattern: "1x1",
            targetSparsity,
            excludeHead: false,
          });
          const order = [...layer.data.keys()].sort(
            (a, b) =>
              Math.abs(layer.data[a] as number) - Math.abs(layer.data[b] as number) || a - b,
          );
          const pruned = new Set(order.slice(0, exactCount(layer.data.length, targetSparsity)));
          expect([...(masks.get("a") ?? [])]).toEqual(
            [...layer.data.keys()].map((i) => (pruned.has(i) ? 0 : 1)),
          );
        }),
        { numRuns: runsOf(100) },
      );
    },
    LONG,
  );

  test(
    "a layer in two parts is pruned as in one, wherever its data lie",
    () => {
      fc.assert(
        fc.property(
          fc.array(fc.tuple(exactValues(8), exactValues(8), exactValues(8), exactValues(8)), {
            minLength: 2,
            maxLength: 5,
          }),
          fc.nat(),
          patterns.filter(
            ({ kind, ...one }) =>
              kind === "group" || !("height" in one) || one.height !== "channel",
          ),
          share,
          (quads, cut, pattern, part) => {
            const all = quads.flat();
            const at = 4 * (1 + (cut % (quads.length - 1)));
            const options = {
              pattern,
              targetSparsity: part * mostOf(pattern),
              excludeHead: false,
            } as const;
            const whole = pruneOnce([record("a", all)], options).masks.get("a") ?? [];
            const memory = new Float32Array(all.length * 8 + 3);
            const views = [all.slice(0, at), all.slice(at)].map((rowsOf, i) => {
              const layer = record(`part${i}`, rowsOf);
              const data = memory.subarray(i * (8 * at + 1) + 1).subarray(0, layer.data.length);
              data.set(layer.data);
              return { ...layer, data };
            });
            const { masks } = pruneOnce(views, options);
            expect([...masks.values()].flatMap((mask) => [...mask])).toEqual([...whole]);
          },
        ),
        { numRuns: runsOf(100) },
      );
    },
    LONG,
  );
});
