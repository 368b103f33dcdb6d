/** Replays vectors of pruning attention heads, calling every hook as often as recorded. */
import { headHooks } from "../heads/hooks.ts";
import { initialiseHeadPruning } from "../heads/initialise.ts";
import { HEAD_PROFILES } from "../heads/profiles.ts";
import { headPruner } from "../heads/refusals.ts";
import { type HeadPruningState, linearLayers } from "../heads/state.ts";
import type { Backend } from "../kernels/backend.ts";
import type { PrunerConfig } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { at, type CaseFiles, expectedError, openCase, tensorsBelow } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import { type HeadCase, readHeadCase } from "./heads-case.ts";
import {
  headFinalDifference,
  headSelectionDifference,
  headWeightsDifference,
  type StatedMasks,
} from "./heads-event.ts";
import { trainingDifference } from "./heads-training.ts";
import { descend, statedTensor } from "./pruning-case.ts";
import { AS_INC, refusalOf } from "./pruning-config.ts";
import { judge, type Verdict } from "./verdict.ts";

export function replayHeads(files: CaseFiles, backend: Backend): Verdict {
  return judge("heads", files.name, () => {
    const vector = readHeadCase(openCase(files));
    return vector.error === undefined
      ? (completenessDifference(vector) ?? RUNS[vector.drive](vector, backend))
      : refusalDifference(vector, vector.error);
  });
}

/** The replays of runs, by what is recorded. */
const RUNS: Readonly<
  Record<HeadCase["drive"], (vector: HeadCase, backend: Backend) => Difference | undefined>
> = { grad: gradientRunDifference, real: trainingDifference };

/** Requires one event for each step, and that layers are those of the attention layers. */
function completenessDifference({ files, events, layers, attentions }: HeadCase) {
  const steps = Array.from({ length: at.number(files.json, "steps") }, (_, step) => step);
  const stated = events.map(({ step }) => step);
  return (
    compare("step of event", steps, stated) ??
    compare("layers", attentions.flatMap(linearLayers).sort(), [...layers].sort())
  );
}

function prunerOf({ config }: HeadCase): PrunerConfig {
  const { pruners } = parsePruningConfigOrThrow(config, AS_INC);
  const [pruner, ...others] = pruners;
  if (pruner === undefined || others.length > 0)
    throw expectedError("config", "one pruner", pruners.length);
  return pruner;
}

/** Returns the records of linear layers with their initial weights. */
function initialRecords({ files, layers }: HeadCase): readonly LayerRecord[] {
  const weights = tensorsBelow(files, "w0/");
  return layers.map((name) => {
    const { shape, data } = weights.get(name) ?? { shape: [0, 0], data: new Float32Array(0) };
    return { name, kind: "linear", shape, data };
  });
}

/** Requires that settings on which INC fails are refused with a typed error, at INC's failing step or earlier. */
function refusalDifference(
  vector: HeadCase,
  { step, message }: NonNullable<HeadCase["error"]>,
): Difference | undefined {
  const refusal = refusalOf(() => {
    const pruner = headPruner(prunerOf(vector));
    HEAD_PROFILES.inc.checkSettings(pruner);
    // Without recorded layers, INC fails on the settings alone.
    if (vector.attentions.length > 0)
      initialiseHeadPruning(pruner, vector.attentions, initialRecords(vector), { profile: "inc" });
  });
  if (refusal !== undefined) return undefined;
  const place = step === null ? "preparation" : { step, quantity: "outcome" };
  return differenceAt(place, `a refusal (INC: ${message})`, "none");
}

/** Replays a run with recorded gradients. */
function gradientRunDifference(vector: HeadCase): Difference | undefined {
  const { files, events, attentions } = vector;
  const learningRate = at.number(files.json, "lr");
  const masks: StatedMasks = new Map();
  let layers = initialRecords(vector);
  const start = initialiseHeadPruning(prunerOf(vector), attentions, layers, { profile: "inc" });
  let state: HeadPruningState = start;
  const update = (result: ReturnType<typeof headHooks.onAfterOptimizerStep>): void => {
    state = result.state;
    layers = layers.map((layer) => ({
      ...layer,
      data: result.weights.get(layer.name) ?? layer.data,
    }));
  };
  return (
    firstOf(events, (event) => {
      const { step } = event;
      update(headHooks.onStepBegin(state, step, layers));
      const selection = headSelectionDifference(vector, event, state, masks);
      if (selection !== undefined) return selection;
      layers = layers.map((layer) => {
        const gradient = statedTensor(files, `grad/${step}/${layer.name}`);
        return { ...layer, gradient: gradient ?? new Float32Array(layer.data.length) };
      });
      update(headHooks.onBeforeOptimizerStep(state, layers));
      layers = layers.map((layer) => descend(layer, learningRate));
      update(headHooks.onAfterOptimizerStep(state, layers));
      return headWeightsDifference(vector, event, layers);
    }) ?? headFinalDifference(vector, layers)
  );
}
