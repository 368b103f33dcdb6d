import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { headHooks, headHooksInto } from "../../src/heads/hooks.ts";
import { initialiseHeadPruning } from "../../src/heads/initialise.ts";
import { type HeadPruningState, linearLayers } from "../../src/heads/state.ts";
import { exactCount } from "../../src/prune/exact.ts";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import { headTrajectory } from "../../src/reference/heads.ts";
import { elements, type Matrix, weightMatrix } from "../../src/reference/matrix.ts";
import { Refusal } from "../../src/reference/refusal.ts";
import { runsOf } from "../reference/runs.ts";
import { type HeadRun, headRuns } from "./runs.ts";

const LEARNING_RATE = 0.25;

interface Moment {
  readonly state: HeadPruningState;
  readonly layers: readonly LayerRecord[];
}

function start({ config, attentions, layers, profile, minHeads }: HeadRun): HeadPruningState {
  return initialiseHeadPruning(config, attentions, layers, { profile, minHeads });
}

function descended(layers: readonly LayerRecord[], own: readonly Float32Array[]): LayerRecord[] {
  return layers.map((layer, i) => ({
    ...layer,
    gradient: own[i] ?? null,
    data: layer.data.map((weight, at) => weight - Math.fround(LEARNING_RATE * (own[i]?.[at] ?? 0))),
  }));
}

/** The state and the weights after each step. */
function runPurely(run: HeadRun): Moment[] {
  let state = start(run);
  let { layers } = run;
  const moments: Moment[] = [];
  const take = (result: ReturnType<typeof headHooks.onAfterOptimizerStep>): void => {
    state = result.state;
    layers = layers.map((one) => ({ ...one, data: result.weights.get(one.name) ?? one.data }));
  };
  run.gradients.forEach((own, step) => {
    take(headHooks.onStepBegin(state, step, layers));
    layers = layers.map((layer, i) => ({ ...layer, gradient: own[i] ?? null }));
    take(headHooks.onBeforeOptimizerStep(state, layers));
    layers = descended(layers, own);
    take(headHooks.onAfterOptimizerStep(state, layers));
    moments.push({ state, layers });
  });
  return moments;
}

function matrixOf({ data, shape }: LayerRecord): Matrix {
  return weightMatrix(data, shape);
}

function byAttention<T>(
  { attentions }: HeadRun,
  layers: readonly LayerRecord[],
  read: (i: number) => T,
) {
  const places = new Map(layers.map(({ name }, i) => [name, i]));
  return attentions.map((one) => linearLayers(one).map((name) => read(places.get(name) ?? -1)));
}

function referenceOf(run: HeadRun) {
  const { config, layers, gradients, profile, minHeads } = run;
  const weights = byAttention(run, layers, (i) => matrixOf(layers[i] as LayerRecord));
  const attentions = run.attentions.map(({ heads }, i) => ({ heads, weights: weights[i] ?? [] }));
  const slopes = gradients.map((own) =>
    byAttention(run, layers, (i) => {
      const { shape } = layers[i] as LayerRecord;
      return weightMatrix(own[i] as Float32Array, shape);
    }),
  );
  const settings = { profile, minHeads, learningRate: LEARNING_RATE };
  return headTrajectory(config, attentions, slopes, settings);
}

function attempt<T>(read: () => T): T | string {
  try {
    return read();
  } catch (error) {
    if (error instanceof PruningError || error instanceof Refusal) return error.code;
    throw error;
  }
}

/** What both sides say after each step. Zeros of both signs are equal. */
function listed(values: ArrayLike<number> | null): string {
  return values === null ? "none" : Array.from(values, (value) => value + 0).join();
}

describe("a run", () => {
  test("is that of the reference, step by step", () => {
    const seen = { pruned: 0, refused: 0 };
    fc.assert(
      fc.property(headRuns, (run) => {
        const expected = attempt(() =>
          referenceOf(run).map((moments) =>
            moments.map(({ mask, scores, weights }) => ({
              mask: listed(mask),
              scores: listed(scores),
              weights: weights.map((one) => listed(elements(one))),
            })),
          ),
        );
        const got = attempt(() =>
          runPurely(run).map(({ state, layers }) =>
            byAttention(run, layers, (i) => listed(layers[i]?.data ?? [])).map((weights, i) => ({
              mask: listed(state.attentions[i]?.mask ?? []),
              scores: listed(state.attentions[i]?.scores ?? null),
              weights,
            })),
          ),
        );
        // The reference has no checks before the first step.
        if (got === "unusable-schedule") return;
        if (typeof got === "string" || typeof expected === "string") seen.refused++;
        else if (JSON.stringify(got).includes('"mask":"0')) seen.pruned++;
        expect(got).toEqual(expected);
      }),
      { numRuns: runsOf(400) },
    );
    expect(Math.min(seen.pruned, seen.refused)).toBeGreaterThan(20);
  });

  test("in place has the same bits, and its state can be copied at any step", () => {
    fc.assert(
      fc.property(headRuns, (run) => {
        const expected = attempt(() => runPurely(run));
        if (typeof expected === "string") return;
        const layers = run.layers.map((layer) => ({ ...layer, data: layer.data.slice() }));
        let state = headHooksInto.copyState(start(run));
        const scratch = headHooksInto.createScratch(state, layers);
        run.gradients.forEach((own, step) => {
          state = headHooksInto.onStepBegin(state, step, layers, scratch);
          const graded = layers.map((layer, i) => ({ ...layer, gradient: own[i] ?? null }));
          state = headHooksInto.onBeforeOptimizerStep(state, graded, scratch);
          for (const [i, { data }] of descended(layers, own).entries()) layers[i]?.data.set(data);
          state = headHooksInto.onAfterOptimizerStep(state, layers, scratch);
          state = headHooksInto.copyState(state);
          expect(state).toEqual(expected[step]?.state);
          expect(layers.map(({ data }) => data)).toEqual(
            expected[step]?.layers.map(({ data }) => data),
          );
        });
      }),
      { numRuns: runsOf(100) },
    );
  });

  test("leaves its arguments as they are", () => {
    fc.assert(
      fc.property(headRuns, (run) => {
        const state = attempt(() => start(run));
        if (typeof state === "string") return;
        const before = structuredClone({ state, layers: run.layers });
        const begun = attempt(() => headHooks.onStepBegin(state, 0, run.layers));
        if (typeof begun !== "string") headHooks.onAfterOptimizerStep(begun.state, run.layers);
        expect({ state, layers: run.layers }).toEqual(before);
      }),
      { numRuns: runsOf(50) },
    );
  });
});

test("under strict, counts are exact, layers keep their heads, and pruned heads stay pruned", () => {
  let reached = 0;
  fc.assert(
    fc.property(headRuns, (run) => {
      if (run.profile === "inc") return;
      const moments = attempt(() => runPurely(run));
      if (typeof moments === "string") return;
      const { targetSparsity, pruningScope, endStep, startStep, pruningFrequency } = run.config;
      const last = moments.at(-1)?.state;
      const counts = (last?.attentions ?? []).map(
        ({ mask }) => mask.filter((bit) => bit === 0).length,
      );
      const groups =
        pruningScope === "global" ? [run.attentions] : run.attentions.map((one) => [one]);
      const totals = groups.map((group) =>
        exactCount(
          group.reduce((sum, { heads }) => sum + heads, 0),
          targetSparsity,
        ),
      );
      const got = pruningScope === "global" ? [counts.reduce((a, b) => a + b, 0)] : counts;
      if (last?.lastEvent?.step === endStep - ((endStep - startStep) % pruningFrequency))
        expect(got).toEqual(totals);
      reached += Number(counts.some((count) => count > 0));
      counts.forEach((count, i) => {
        const { heads = 0 } = run.attentions[i] ?? {};
        if (count > 0) expect(heads - count).toBeGreaterThanOrEqual(run.minHeads);
      });
      moments.slice(1).forEach(({ state }, i) => {
        state.attentions.forEach(({ mask }, layer) => {
          const before = moments[i]?.state.attentions[layer]?.mask ?? [];
          expect(Array.from(mask, (bit, head) => bit <= (before[head] ?? 0))).not.toContain(false);
        });
      });
    }),
    { numRuns: runsOf(200) },
  );
  expect(reached).toBeGreaterThan(20);
});
