/** Runs the reducer beside the reference and says where they part. */

import type { Profile } from "../../src/prune/config.ts";
import {
  createPruningScratch,
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
} from "../../src/prune/hooks.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import { type LayerRecord, PruningError } from "../../src/prune/layer.ts";
import type { PrunedLayer, PrunerState, PruningState } from "../../src/prune/state.ts";
import { sparsityStatistics } from "../../src/prune/statistics.ts";
import { inWeightOrder } from "../../src/reference/matrix.ts";
import { Refusal } from "../../src/reference/refusal.ts";
import type { ReferencePruner, ReferenceState } from "../../src/reference/state.ts";
import {
  type Moment,
  startedTrajectory,
  steppedTrajectory,
} from "../../src/reference/trajectory.ts";
import { dataOf, type Run } from "./runs.ts";
import { blocksPruned, incFigures, type Zeros, zerosAmong } from "./statistics.ts";

/** A result, or the code of what was refused. */
type Outcome<T> = { readonly value: T } | { readonly refused: string };

function attempt<T>(run: () => T): Outcome<T> {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof PruningError || error instanceof Refusal) return { refused: error.code };
    throw error;
  }
}

function listed(values: ArrayLike<number> | null): string {
  return values === null ? "none" : Array.from(values).join();
}

function scoresOf({ scores, elementwise, shape }: ReferenceState): Float32Array | null {
  if (scores === null) return null;
  return elementwise ? inWeightOrder(scores, shape) : scores.data;
}

/** What both sides say of a layer. */
function layerText(layer: PrunedLayer): object {
  const { name, frozen, mask, scores, previousMask, progressiveMask, collected } = layer;
  return {
    name,
    frozen,
    mask: listed(mask),
    scores: listed(scores),
    before: listed(previousMask),
    applied: listed(progressiveMask),
    collected: collected.map(listed),
  };
}

function referenceLayerText(layer: ReferenceState, interpolating: boolean): object {
  const { name, frozen, mask, before, applied, collected } = layer;
  return {
    name,
    frozen,
    mask: listed(mask),
    scores: listed(scoresOf(layer)),
    before: listed(interpolating ? before : null),
    applied: listed(interpolating ? applied : null),
    collected: collected.map(({ data }) => listed(data)),
  };
}

type Counters = Pick<
  ReferencePruner & PrunerState,
  | "step"
  | "completedPruneSteps"
  | "totalPruneSteps"
  | "initialSparsity"
  | "currentSparsity"
  | "lastPruneStep"
  | "aligned"
  | "lastEvent"
>;

function counters(pruner: Counters): Counters {
  const { step, completedPruneSteps, totalPruneSteps, initialSparsity } = pruner;
  const { currentSparsity, lastPruneStep, aligned, lastEvent } = pruner;
  return {
    step,
    completedPruneSteps,
    totalPruneSteps,
    initialSparsity,
    currentSparsity,
    lastPruneStep,
    aligned,
    lastEvent,
  };
}

function stateText({ pruners }: PruningState, layers: readonly LayerRecord[]): object {
  return {
    pruners: pruners.map((pruner) => ({
      ...counters(pruner),
      layers: pruner.layers.map(layerText),
    })),
    weights: layers.map(({ name, data }) => `${name}: ${listed(data)}`),
  };
}

function momentText({ pruners, weights }: Moment, state: PruningState): object {
  return {
    pruners: pruners.map((pruner, i) => ({
      ...counters(pruner),
      layers: pruner.layers.map((layer) =>
        referenceLayerText(layer, state.pruners[i]?.interpolating === true),
      ),
    })),
    weights: [...weights].map(([name, data]) => `${name}: ${listed(data)}`),
  };
}

/** A state's statistics, and the reference's. */
function statistics(
  state: PruningState,
  moment: Moment,
  layers: readonly LayerRecord[],
): Comparison {
  const { inc, prunedLayers, linearConv, allWeights, pruners } = sparsityStatistics(
    state,
    layers,
    1000,
  );
  const zeros = ({ zeros, total }: Zeros): Zeros => ({ zeros, total });
  const owned = new Set(moment.pruners.flatMap((pruner) => pruner.layers.map(({ name }) => name)));
  const got = {
    inc: [inc.elementwiseOverLinearConv, inc.elementwiseOverAll, inc.blockwiseOverLinearConv],
    shares: [prunedLayers, linearConv, allWeights].map(zeros),
    blocks: pruners.map(({ blocks }) => zeros(blocks)),
  };
  const expected = {
    inc: incFigures(moment, layers, 1000),
    shares: [
      zerosAmong(moment, layers, ({ name }) => owned.has(name)),
      zerosAmong(moment, layers, ({ kind }) => ["linear", "conv1d", "conv2d"].includes(kind)),
      zerosAmong(moment, layers, () => true),
    ],
    blocks: moment.pruners.map((_, i) => blocksPruned(moment, i)),
  };
  return { at: "statistics", expected, got };
}

/** One comparison: what, what the reference says, what the reducer says. */
export interface Comparison {
  readonly at: string;
  readonly expected: unknown;
  readonly got: unknown;
}

/** Runs both sides; each comparison is to be equal. Ends where both refuse. */
export function* comparisons(run: Run, profile: Profile): Generator<Comparison> {
  const { config, excludeHead, indivisible, steps } = run;
  const { layers, step: dataAt } = dataOf(run);
  const options = { profile, excludeHead, indivisible };
  const planned = attempt(() => startedTrajectory(config, dataOf(run).layers, options));
  const initial = attempt(() => initialisePruning(config, layers, options));
  const refusals = (one: Outcome<unknown>): string => ("refused" in one ? one.refused : "accepted");
  yield { at: "plan", expected: refusals(planned), got: refusals(initial) };
  if ("refused" in planned || "refused" in initial) return;
  let moment = planned.value;
  let state = initial.value;
  const scratch = createPruningScratch(state);
  for (let step = 0; step < steps; step++) {
    const data = dataAt(step);
    const own = layers.map((layer) => ({
      ...layer,
      gradient: data.gradients.get(layer.name) ?? null,
    }));
    const expected = attempt(() => steppedTrajectory(moment, data));
    const begun = attempt(() => onStepBeginInto(state, step, own, scratch));
    yield { at: `begin ${step}`, expected: refusals(expected), got: refusals(begun) };
    if ("refused" in expected || "refused" in begun) return;
    state = begun.value;
    yield {
      at: `begun ${step}`,
      expected: momentText(expected.value.begun, state),
      got: stateText(state, layers),
    };
    state = onBeforeOptimizerStepInto(state, own, scratch);
    yield {
      at: `scored ${step}`,
      expected: momentText(expected.value.scored, state),
      got: stateText(state, layers),
    };
    for (const { name, data: weight } of layers) {
      const change = data.changes.get(name);
      for (let i = 0; i < weight.length; i++)
        weight[i] = (weight[i] as number) + (change?.[i] as number);
    }
    state = onAfterOptimizerStepInto(state, own, scratch);
    moment = expected.value.ended;
    yield {
      at: `ended ${step}`,
      expected: momentText(moment, state),
      got: stateText(state, layers),
    };
  }
  yield statistics(state, moment, layers);
}
