/**
 * Replays pruning trajectories through the public reducer: the configuration is parsed, the state initialised, and
 * every hook called as the vector says.
 */
import {
  onAfterOptimizerStep,
  onBeforeOptimizerStep,
  onStepBegin,
  type PruningResult,
} from "../prune/hooks.ts";
import { initialisePruning } from "../prune/initialise.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { type CaseFiles, openCase } from "./case-files.ts";
import { type Difference, differenceAt, exactDifference } from "./difference.ts";
import {
  type CaseEvent,
  initialRecords,
  type PruningCase,
  readPruningCase,
  statedTensor,
} from "./pruning-case.ts";
import { completenessDifference } from "./pruning-completeness.ts";
import { AS_INC, isRefusal } from "./pruning-config.ts";
import {
  finalDifference,
  maskGradientDifference,
  type Run,
  selectionDifference,
  stepDifference,
} from "./pruning-event.ts";
import { preparationDifference } from "./pruning-preparation.ts";
import { judge, type Verdict } from "./verdict.ts";

/** A replay after a step, and the step's first difference. */
interface Advanced {
  readonly run: Run;
  readonly difference: Difference | undefined;
}

/** The verdict on a case, named after its directory. */
export function replayPruning(files: CaseFiles): Verdict {
  return judge("pruning", files.name, () => {
    const vector = readPruningCase(openCase(files));
    return vector.error === undefined
      ? (completenessDifference(vector) ?? trajectoryDifference(vector))
      : (refusalDifference(vector, vector.error) ?? completenessDifference(vector));
  });
}

function start(vector: PruningCase): Run {
  const layers = initialRecords(vector);
  const config = parsePruningConfigOrThrow(vector.config, AS_INC);
  const state = initialisePruning(config, layers, { allowNothing: true });
  return { vector, config, state, layers, masks: new Map() };
}

/** A case that ends in an error of INC must end in a typed error no later. */
function refusalDifference(
  vector: PruningCase,
  { step, message }: NonNullable<PruningCase["error"]>,
): Difference | undefined {
  try {
    // The steps before the error are compared as those of any other case.
    const { run, difference } = follow(start(vector));
    if (difference !== undefined) return difference;
    if (step !== null) advance(run, undefined, step);
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
  const place = step === null ? "preparation" : { step, quantity: "outcome" };
  return differenceAt(place, `a refusal (INC: ${message})`, "none");
}

function trajectoryDifference(vector: PruningCase): Difference | undefined {
  const run = start(vector);
  const names = run.state.pruners.map(({ layers }) => layers.map(({ name }) => name).join(" "));
  const expected = vector.pruners.map((layers) => layers.join(" "));
  const preparation =
    exactDifference("selected layers of pruner", expected, names) ??
    preparationDifference(vector, run.config, run.state);
  if (preparation !== undefined) return preparation;
  const end = follow(run);
  return end.difference ?? finalDifference(end.run);
}

/** Runs the stated steps up to the first that differs. */
function follow(from: Run): Advanced {
  let at: Advanced = { run: from, difference: undefined };
  for (const event of from.vector.events) {
    at = advance(at.run, event, event.step);
    if (at.difference !== undefined) break;
  }
  return at;
}

/** Runs one step; with an event, compares what it states. */
function advance(run: Run, event: CaseEvent | undefined, step: number): Advanced {
  const { vector } = run;
  let { state, layers } = run;
  for (let i = 0; i < vector.beginsPerStep; i++) {
    const begun = onStepBegin(state, step, layers);
    state = begun.state;
    layers = withWeights(layers, begun);
  }
  let difference = event && selectionDifference({ ...run, state }, event);
  layers = layers.map((layer) => withGradient(vector, step, layer));
  difference ??= event && maskGradientDifference({ ...run, state, layers }, step);
  state = onBeforeOptimizerStep(state, layers).state;
  if (vector.drive !== "retrain")
    layers = layers.map((layer) => descend(layer, vector.learningRate));
  const after = onAfterOptimizerStep(state, layers);
  const next: Run = { ...run, state: after.state, layers: withWeights(layers, after) };
  difference ??= event && stepDifference(next, event);
  return { run: next, difference };
}

/** Layers with the weights that a hook changed. */
function withWeights(layers: readonly LayerRecord[], { weights }: PruningResult): LayerRecord[] {
  return layers.map((layer) => ({ ...layer, data: weights.get(layer.name) ?? layer.data }));
}

/** A layer with its stated gradient, or zeros. */
function withGradient({ files }: PruningCase, step: number, layer: LayerRecord): LayerRecord {
  const gradient =
    statedTensor(files, `grad/${step}/${layer.name}`) ?? new Float32Array(layer.data.length);
  return { ...layer, gradient };
}

function descend(layer: LayerRecord, learningRate: number): LayerRecord {
  const { data, gradient } = layer;
  const rate = Math.fround(learningRate);
  return {
    ...layer,
    data: data.map((weight, i) => weight - Math.fround(rate * (gradient?.[i] ?? 0))),
  };
}
