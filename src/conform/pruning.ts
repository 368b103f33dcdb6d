/**
 * Replays pruning trajectories through the public reducer: configuration parsed, state initialised, and
 * every hook called as the vector says. A case directory counts once.
 */
import { InputError } from "../core/either.ts";
import { blockMaskGradients } from "../prune/block-mask.ts";
import type { PruningConfig } from "../prune/config.ts";
import { onAfterOptimizerStep, onBeforeOptimizerStep, onStepBegin } from "../prune/hooks.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, PruningError } from "../prune/layer.ts";
import { countZeros } from "../prune/mask.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { perElement } from "../prune/pattern.ts";
import type { PrunedLayer, PruningState } from "../prune/state.ts";
import { sparsityStatistics } from "../prune/statistics.ts";
import { type CaseFiles, openCase, tensorValues } from "./case-files.ts";
import {
  type Difference,
  differenceAt,
  exactDifference,
  firstOf,
  numberDifference,
  type Place,
  tensorDifference,
  valueDifference,
} from "./difference.ts";
import {
  type CaseEvent,
  type CasePrune,
  initialRecords,
  type PruningCase,
  readPruningCase,
  tensorLayer,
} from "./pruning-case.ts";
import { completenessDifference, unstatedPrune } from "./pruning-completeness.ts";
import { descend, takeOver, withGradient } from "./pruning-descent.ts";
import { interpolatedShare, statedMask } from "./pruning-masks.ts";
import { preparationDifference } from "./pruning-preparation.ts";
import { judge, type Verdict } from "./verdict.ts";

/** Scores, relative to the layer's largest. */
const SCORE_TOLERANCE = 1e-5;
/** Target ratios, absolute. */
const RATIO_TOLERANCE = 1e-12;
/** Weights, absolute. */
const WEIGHT_TOLERANCE = 1e-6;

/** A replay in progress. */
interface Run {
  readonly vector: PruningCase;
  readonly config: PruningConfig;
  readonly state: PruningState;
  readonly layers: readonly LayerRecord[];
  /** Masks as last stated, by tensor name without the step. */
  readonly masks: Map<string, Uint8Array>;
}

/** A replay after a step, and the first difference in what is stated of it. */
interface Advanced {
  readonly run: Run;
  readonly difference: Difference | undefined;
}

/** One verdict for each case, named after its directory; `only` selects by that name. */
export function* replayPruning(cases: Iterable<CaseFiles>, only?: RegExp): Iterable<Verdict> {
  for (const files of cases) {
    if (only !== undefined && files.name.search(only) < 0) continue;
    yield judge("pruning", files.name, () => caseDifference(readPruningCase(openCase(files))));
  }
}

function caseDifference(vector: PruningCase): Difference | undefined {
  const { error } = vector;
  return error === undefined
    ? (completenessDifference(vector) ?? trajectoryDifference(vector))
    : (refusalDifference(vector, error.step, error.message) ?? completenessDifference(vector));
}

function start(vector: PruningCase): Run {
  const layers = initialRecords(vector);
  const config = parsePruningConfigOrThrow(vector.config, {
    unknownKeys: "ignore",
    profile: "inc",
  });
  const state = initialisePruning(config, layers, { allowNothing: true });
  return { vector, config, state, layers, masks: new Map() };
}

/** A case that INC broke on must be refused by a typed error, no later than INC's. */
function refusalDifference(
  vector: PruningCase,
  step: number | null,
  message: string,
): Difference | undefined {
  try {
    // What is stated of the steps before the error is compared as of any other case.
    const { run, difference } = follow(start(vector));
    if (difference !== undefined) return difference;
    if (step !== null) advance(run, undefined, step);
  } catch (error) {
    if (error instanceof PruningError || error instanceof InputError) return undefined;
    throw error;
  }
  const place = step === null ? "preparation" : { step, quantity: "outcome" };
  return differenceAt(place, `a refusal (INC: ${message})`, "none");
}

function trajectoryDifference(vector: PruningCase): Difference | undefined {
  const run = start(vector);
  const names = run.state.pruners.map(({ layers }) => layers.map(({ name }) => name).join(" "));
  const selection = exactDifference(
    "selected layers of pruner",
    vector.pruners.map((layers) => layers.join(" ")),
    names,
  );
  const preparation = selection ?? preparationDifference(vector, run.config, run.state);
  if (preparation !== undefined) return preparation;
  const end = follow(run);
  return end.difference ?? finalDifference(end.run);
}

/** Runs the stated steps up to the first that differs. */
function follow(from: Run): Advanced {
  let at: Advanced = { run: from, difference: undefined };
  for (const event of from.vector.events) {
    at = advance(at.run, event);
    if (at.difference !== undefined) break;
  }
  return at;
}

/** Runs one step; with an event, compares what it states. */
function advance(
  run: Run,
  event: CaseEvent | undefined,
  step: number = event?.step ?? 0,
): Advanced {
  const { vector } = run;
  let { state, layers } = run;
  for (let i = 0; i < vector.beginsPerStep; i++) {
    const begun = onStepBegin(state, step, layers);
    state = begun.state;
    layers = takeOver(layers, begun);
  }
  let difference = event && selectionDifference({ ...run, state }, event);
  layers = layers.map((layer) => withGradient(vector, step, layer));
  difference ??= event && maskGradientDifference({ ...run, state, layers }, step);
  state = onBeforeOptimizerStep(state, layers).state;
  if (vector.drive !== "retrain")
    layers = layers.map((layer) => descend(layer, vector.learningRate));
  const after = onAfterOptimizerStep(state, layers);
  const next: Run = { ...run, state: after.state, layers: takeOver(layers, after) };
  difference ??= event && stepDifference(next, event);
  return { run: next, difference };
}

/** First difference in the gradients of block masks, where they are stated. */
function maskGradientDifference(run: Run, step: number): Difference | undefined {
  const { files } = run.vector;
  return firstDifference(run, ({ name, layout }, tensor, pruner) => {
    const key = `mgrad/${step}/${tensor}`;
    const record = run.layers.find((layer) => layer.name === name);
    if (!files.tensors.has(key) || !record?.gradient) return undefined;
    // After the end step layers compute without block masks, and INC has set their gradients to zero.
    const ended = step > (run.state.pruners[pruner]?.config.endStep ?? 0);
    const gradients = blockMaskGradients(layout, record.data, record.gradient);
    return tensorDifference(
      { quantity: "mask gradient", step, layer: tensor },
      tensorValues(files, key),
      ended ? gradients.fill(0) : gradients,
      { relative: SCORE_TOLERANCE },
    );
  });
}

/** Calls `compare` for all layers of all pruners until one differs. */
function firstDifference(
  run: Run,
  compare: (layer: PrunedLayer, name: string, pruner: number) => Difference | undefined,
): Difference | undefined {
  for (const [pruner, { layers }] of run.state.pruners.entries()) {
    for (const layer of layers) {
      const difference = compare(layer, tensorLayer(run.vector, pruner, layer.name), pruner);
      if (difference !== undefined) return difference;
    }
  }
  return undefined;
}

/** What is stated of a step right after masks were selected. */
function selectionDifference(run: Run, event: CaseEvent): Difference | undefined {
  const { files } = run.vector;
  const scores = firstDifference(run, (layer, name) => {
    const key = `score/${event.step}/${name}`;
    if (!files.tensors.has(key)) return undefined;
    return tensorDifference(
      { step: event.step, layer: name, quantity: "score" },
      tensorValues(files, key),
      layer.scores ?? [],
      { relative: SCORE_TOLERANCE },
    );
  });
  const unstated = scores ?? unstatedPrune(run.state, event);
  if (unstated !== undefined) return unstated;
  for (const prune of event.prunes) {
    const difference = pruneDifference(run, event, prune);
    if (difference !== undefined) return difference;
  }
  return (
    masksDifference(run, event.step, "mask", (layer) => statedMask(run.vector, layer)) ??
    masksDifference(run, event.step, "pmask", ({ progressiveMask }) => progressiveMask ?? undefined)
  );
}

/** First difference in a prune step's counts. */
function pruneDifference(run: Run, { step }: CaseEvent, prune: CasePrune): Difference | undefined {
  const pruner = run.state.pruners[prune.pruner];
  const { lastEvent } = pruner ?? {};
  if (!pruner || !lastEvent || lastEvent.step !== step)
    return differenceAt({ step, quantity: `pruner ${prune.pruner}` }, "a prune step", "none");
  const of = (quantity: string): Place => ({
    step,
    quantity: `pruner ${prune.pruner} ${quantity}`,
  });
  const frozen = pruner.layers.filter((layer) => layer.frozen).map(({ name }) => name);
  const target = numberDifference(of("target ratio"), prune.targetRatio, lastEvent.targetRatio, {
    absolute: RATIO_TOLERANCE,
  });
  const { prunedBlocks, totalBlocks } = lastEvent;
  const share = totalBlocks === 0 ? 0 : prunedBlocks / totalBlocks;
  const blockSparsity = perElement(pruner.config.pattern, share);
  const counts: readonly (readonly [string, number | boolean, number | boolean])[] = [
    ["scored", prune.scored, lastEvent.scored],
    ["prune steps done", prune.completed + 1, pruner.completedPruneSteps],
    ["prune steps planned", prune.total, pruner.totalPruneSteps],
    ["pruned blocks", prune.prunedBlocks, lastEvent.prunedBlocks],
    ["blocks", prune.totalBlocks, lastEvent.totalBlocks],
    ["block sparsity", prune.blockSparsity, blockSparsity],
    ["sparsity", prune.currentSparsity, pruner.currentSparsity],
    ["initial sparsity", prune.initialShare ?? pruner.initialSparsity, pruner.initialSparsity],
    ["interpolated sparsity", prune.interpolated ?? 0, interpolatedShare(prune, pruner.layers)],
  ];
  return (
    target ??
    firstOf(counts, ([quantity, want, got]) => valueDifference(of(quantity), want, got)) ??
    exactDifference(
      of("frozen layers"),
      [...prune.frozenAfterSelection].sort(),
      [...frozen].sort(),
    ) ??
    firstOf(prune.zeros, ([name, zeros]) => {
      const layer = pruner.layers.find((one) => one.name === name);
      const got = layer ? countZeros(statedMask(run.vector, layer)) : "none";
      return valueDifference<number | string>({ ...of("mask zeros"), layer: name }, zeros, got);
    })
  );
}

/** First difference in masks; a mask stays as last stated, all ones before. */
function masksDifference(
  run: Run,
  step: number,
  kind: "mask" | "pmask",
  read: (layer: PrunedLayer) => Uint8Array | undefined,
): Difference | undefined {
  const { files } = run.vector;
  return firstDifference(run, (layer, name) => {
    const found = [`${kind}/${step}/${name}`, `${kind}/init/${name}`].find(
      (key, i) => files.tensors.has(key) && (i === 0 || !run.masks.has(`${kind}/${name}`)),
    );
    if (found !== undefined)
      run.masks.set(`${kind}/${name}`, Uint8Array.from(tensorValues(files, found)));
    const got = read(layer);
    if (got === undefined) return undefined;
    const expected = run.masks.get(`${kind}/${name}`) ?? new Uint8Array(got.length).fill(1);
    return exactDifference({ step, layer: name, quantity: kind }, expected, got);
  });
}

/** What is stated of a step after its weights were updated. */
function stepDifference(run: Run, event: CaseEvent): Difference | undefined {
  const { vector, state, layers } = run;
  const weights = vector.layers.map(
    (name) => layers.find((layer) => layer.name === name)?.data ?? new Float32Array(0),
  );
  const { step } = event;
  const longest = Math.max(...weights.map(({ length }) => length), 1);
  for (const prune of event.prunes) {
    const frozen = state.pruners[prune.pruner]?.layers.filter((layer) => layer.frozen) ?? [];
    const difference = exactDifference(
      { step, quantity: `pruner ${prune.pruner} frozen layers after the step` },
      [...prune.frozenAfterStep].sort(),
      frozen.map(({ name }) => name).sort(),
    );
    if (difference !== undefined) return difference;
  }
  return (
    (event.sparsity &&
      sparsityDifference(run, { step, quantity: "sparsity ratios" }, event.sparsity)) ??
    firstOf(vector.layers.entries(), ([i, layer]) => {
      const data = weights[i] ?? new Float32Array(0);
      const zeros = data.reduce((count, weight) => count + (weight === 0 ? 1 : 0), 0);
      const sum = data.reduce((total, weight) => total + weight, 0);
      return (
        valueDifference({ step, layer, quantity: "zero weights" }, event.weightZeros[i], zeros) ??
        numberDifference({ step, layer, quantity: "weight sum" }, event.weightSums[i] ?? NaN, sum, {
          absolute: WEIGHT_TOLERANCE * longest,
        })
      );
    })
  );
}

/** INC's triple: of the same counts, so equal to the last bit. */
function sparsityDifference(
  { vector, state, layers }: Run,
  place: Place,
  expected: readonly number[],
): Difference | undefined {
  const parameters = vector.modules.reduce((sum, module) => sum + module.parameters, 0);
  const { inc } = sparsityStatistics(state, layers, parameters);
  return exactDifference(place, expected, [
    inc.elementwiseOverLinearConv,
    inc.elementwiseOverAll,
    inc.blockwiseOverLinearConv,
  ]);
}

function finalDifference(run: Run): Difference | undefined {
  const { files, finalSparsity, finalShares } = run.vector;
  for (const { name, data } of run.layers) {
    if (!files.tensors.has(`wT/${name}`)) continue;
    const difference = tensorDifference(
      { layer: name, quantity: "final weight" },
      tensorValues(files, `wT/${name}`),
      data,
      { absolute: WEIGHT_TOLERANCE },
    );
    if (difference !== undefined) return difference;
  }
  const shares = run.state.pruners.map(({ currentSparsity }) => currentSparsity);
  return (
    (finalShares && exactDifference("final sparsity of pruner", finalShares, shares)) ??
    (finalSparsity && sparsityDifference(run, { quantity: "final sparsity ratios" }, finalSparsity))
  );
}
