/** Replays recorded pruning trajectories, calling every pruning hook as often as recorded. */
import {
  onAfterOptimizerStep,
  onBeforeOptimizerStep,
  onStepBegin,
  type PruningResult,
} from "../prune/hooks.ts";
import { initialisePruning } from "../prune/initialise.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import type { PrunerState } from "../prune/state.ts";
import { at, type CaseFiles, type JsonObject, openCase } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import {
  type CaseEvent,
  descend,
  initialRecords,
  type PruningCase,
  readPruningCase,
  statedTensor,
  tensorLayer,
} from "./pruning-case.ts";
import { completenessDifference } from "./pruning-completeness.ts";
import { AS_INC, prunersDifference, refusalOf, statedFields } from "./pruning-config.ts";
import {
  finalDifference,
  maskGradientDifference,
  type Run,
  selectionDifference,
  stepDifference,
} from "./pruning-event.ts";
import { judge, type Verdict } from "./verdict.ts";

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

/** Requires that a case in which INC failed is refused with a typed error, at INC's failing step or earlier. */
function refusalDifference(
  vector: PruningCase,
  { step, message }: NonNullable<PruningCase["error"]>,
): Difference | undefined {
  const differences: Difference[] = [];
  const refusal = refusalOf(() => {
    // The steps before INC's error are compared as in any other case.
    const { run, difference } = follow(start(vector));
    if (difference !== undefined) differences.push(difference);
    else if (step !== null) advance(run, undefined, step);
  });
  if (refusal !== undefined || differences.length > 0) return differences[0];
  const place = step === null ? "preparation" : { step, quantity: "outcome" };
  return differenceAt(place, `a refusal (INC: ${message})`, "none");
}

function trajectoryDifference(vector: PruningCase): Difference | undefined {
  const run = start(vector);
  const names = run.state.pruners.map(({ layers }) => layers.map(({ name }) => name).join(" "));
  const expected = vector.pruners.map((layers) => layers.join(" "));
  const preparation =
    compare("selected layers of pruner", expected, names) ?? preparationDifference(run);
  if (preparation !== undefined) return preparation;
  const end = follow(run);
  return end.difference ?? finalDifference(end.run);
}

/** Replays the recorded steps up to the first difference. */
function follow(from: Run): ReturnType<typeof advance> {
  let at: ReturnType<typeof advance> = { run: from, difference: undefined };
  for (const event of from.vector.events) {
    at = advance(at.run, event, event.step);
    if (at.difference !== undefined) break;
  }
  return at;
}

/** Replays one step, and compares it with its recorded event, if any. */
function advance(run: Run, event: CaseEvent | undefined, step: number) {
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

function withWeights(layers: readonly LayerRecord[], { weights }: PruningResult): LayerRecord[] {
  return layers.map((layer) => ({ ...layer, data: weights.get(layer.name) ?? layer.data }));
}

/** Returns a layer with its recorded gradient, or with a zero gradient if none is recorded. */
function withGradient({ files }: PruningCase, step: number, layer: LayerRecord): LayerRecord {
  const gradient =
    statedTensor(files, `grad/${step}/${layer.name}`) ?? new Float32Array(layer.data.length);
  return { ...layer, gradient };
}

/** Compares the settings, schedules, block sizes and masks of pruners before the first step. */
function preparationDifference({
  vector,
  config,
  state: { pruners },
}: Run): Difference | undefined {
  const stated = at.objects(vector.files.json, "pruners");
  const resolved = stated.map((pruner) => {
    // `op_names` and `excluded_op_names` are not compared, because INC adds the classifier head to them.
    const { op_names: _, excluded_op_names: __, ...rest } = at.object(pruner, "resolved_config");
    return statedFields(rest);
  });
  return (
    prunersDifference(resolved, config.pruners) ??
    firstOf(stated.entries(), ([index, json]) => {
      const pruner = pruners[index];
      return pruner && prunerDifference(`pruner ${index}`, json, pruner);
    }) ??
    firstOf(pruners.entries(), ([index, pruner]) => startDifference(vector, index, pruner))
  );
}

/** Compares the numbers of prune steps, the layers with shapes that the pattern does not divide, and block sizes. */
function prunerDifference(
  label: string,
  stated: JsonObject,
  { layers, totalPruneSteps, completedPruneSteps }: PrunerState,
): Difference | undefined {
  const planned = at.number(stated, "total_prune_cnt");
  const done = at.number(stated, "initial_completed_pruned_cnt");
  const expected = [...at.texts(stated, "invalid_layers")].sort();
  const invalid = layers.filter(({ layout }) => !layout.divides).map(({ name }) => name);
  const sizes = "block_size" in stated ? at.object(stated, "block_size") : {};
  return (
    compare(`${label} prune steps planned`, planned, totalPruneSteps) ??
    compare(`${label} prune steps done before`, done, completedPruneSteps) ??
    compare(`${label} invalid layers`, expected, invalid.sort()) ??
    firstOf(layers, ({ name: layer, layout: { blockHeight, blockWidth } }) =>
      layer in sizes
        ? compare({ layer, quantity: "block size" }, at.numbers(sizes, layer), [
            blockHeight,
            blockWidth,
          ])
        : undefined,
    )
  );
}

/** Compares the masks from which a progressive pruner's interpolation starts. */
function startDifference(
  vector: PruningCase,
  index: number,
  { layers }: PrunerState,
): Difference | undefined {
  return firstOf(layers, ({ name: layer, progressiveMask }) => {
    const name = tensorLayer(vector, index, layer);
    const stated = statedTensor(vector.files, `pmask/init/${name}`);
    const place = { layer, quantity: "pmask at the start" };
    return stated && progressiveMask ? compare(place, stated, progressiveMask) : undefined;
  });
}
