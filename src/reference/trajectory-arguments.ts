/** Checks the arguments of `pruningTrajectory`. */
import {
  checkFloat32Array,
  checkInteger,
  checkMap,
  checkNumber,
  checkObject,
  checkOneOf,
  checkOptions,
  checkRecords,
  mismatch,
} from "../core/checks.ts";
import type { PrunerConfig, PruningConfig } from "../prune/config.ts";
import type { LayerRecord } from "../prune/layer.ts";
import {
  checkBoolean,
  checkLayers,
  checkPattern,
  checkProfile,
  checkShape,
  checkStrings,
  extentOf,
} from "./arguments.ts";
import { CRITERION_NAMES } from "./criteria.ts";
import type { StartOptions } from "./plan.ts";
import type { Weights } from "./state.ts";

/** The maximum number of prune steps, which the reference lists. */
const MOST_PRUNE_STEPS = 2 ** 20;

export function checkTrajectory(
  config: PruningConfig,
  layers: readonly LayerRecord[],
  steps: readonly { readonly gradients: Weights; readonly changes: Weights }[],
  options: Partial<StartOptions>,
): void {
  checkObject("config", config, "pruners");
  checkRecords("config.pruners", config.pruners, "pattern", "criterion");
  for (const [i, pruner] of config.pruners.entries()) checkPruner(`config.pruners[${i}]`, pruner);
  checkWeights(layers);
  checkRecords("steps", steps, "gradients", "changes");
  for (const [i, { gradients, changes }] of steps.entries()) {
    checkValues(`steps[${i}].gradients`, gradients, layers);
    checkValues(`steps[${i}].changes`, changes, layers);
  }
  checkOptions("options", options, ["profile", "excludeHead", "allowNothing", "indivisible"]);
  const { profile, excludeHead, allowNothing, indivisible } = options;
  if (profile !== undefined) checkProfile(profile);
  if (excludeHead !== undefined) checkBoolean("excludeHead", excludeHead);
  if (allowNothing !== undefined) checkBoolean("allowNothing", allowNothing);
  if (indivisible !== undefined) checkOneOf("indivisible", indivisible, ["refuse", "skip"]);
}

function checkPruner(name: string, pruner: PrunerConfig): void {
  const { pattern, startStep, endStep, pruningFrequency, groupLasso } = pruner;
  checkObject(`${name}.pattern`, pattern, "kind");
  if (pattern.kind !== "heads") checkPattern(pattern, `${name}.pattern`);
  checkOneOf(`${name}.method`, pruner.method, ["basic", "progressive", "pattern_lock"]);
  checkOneOf(`${name}.criterion`, pruner.criterion, CRITERION_NAMES);
  checkOneOf(`${name}.pruningScope`, pruner.pruningScope, ["global", "local"]);
  checkOneOf(`${name}.scoreReduction`, pruner.scoreReduction, ["mean", "sum", "max"]);
  checkOneOf(`${name}.sparsityDecay`, pruner.sparsityDecay, ["exp", "cos", "linear", "cube"]);
  for (const key of ["opNames", "excludedOpNames", "pruningOpTypes"] as const)
    checkStrings(`${name}.${key}`, pruner[key]);
  for (const key of ["lowMemoryUsage", "lockInitSparsity"] as const)
    checkBoolean(`${name}.${key}`, pruner[key]);
  for (const key of ["targetSparsity", "minSparsityRatioPerOp", "maxSparsityRatioPerOp"] as const)
    checkNumber(`${name}.${key}`, pruner[key], 0, 1);
  checkInteger(`${name}.startStep`, startStep);
  checkInteger(`${name}.endStep`, endStep);
  checkInteger(`${name}.pruningFrequency`, pruningFrequency, 1);
  const count = (endStep - startStep) / pruningFrequency;
  if (count > MOST_PRUNE_STEPS)
    throw new RangeError(mismatch(name, `at most ${MOST_PRUNE_STEPS} prune steps`, count));
  if (groupLasso !== null) checkNumber(`${name}.groupLasso`, groupLasso);
}

function checkWeights(layers: readonly LayerRecord[]): void {
  checkLayers(layers);
  for (const [i, { kind, shape, data }] of layers.entries()) {
    checkShape(`layers[${i}].shape`, shape);
    const isPrunable = kind !== "embedding" && kind !== "other";
    checkFloat32Array(`layers[${i}].data`, data, isPrunable ? extentOf(shape) : undefined);
  }
}

/** Checks values by the names of layers. Some layers may have none. */
function checkValues(name: string, values: Weights, layers: readonly LayerRecord[]): void {
  checkMap(name, values);
  for (const layer of layers) {
    const own = values.get(layer.name);
    if (own !== undefined) checkFloat32Array(`${name} of ${layer.name}`, own, layer.data.length);
  }
}
