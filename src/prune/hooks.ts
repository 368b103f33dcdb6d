/**
 * Pruning during training as a reducer: functions from state to state. A training step calls {@link onStepBegin},
 * computes gradients, calls {@link onBeforeOptimizerStep}, updates the weights, and calls {@link onAfterOptimizerStep}.
 * The functions correspond to INC's hooks.
 *
 * The pure forms return a new state and the changed weights. The `Into` forms consume the state, write into the layers'
 * own data, and allocate no arrays after the first prune step, with two exceptions: a layer that is frozen at a bound
 * may change from block scores to element scores, and retrain_free keeps the gradients of every step.
 */
import {
  checkFloat32Array,
  checkInteger,
  checkObject,
  checkRecords,
  mismatch,
} from "../core/checks.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { scoresBlockMasks } from "./criteria.ts";
import { checkRecordList, elementCount, type LayerRecord, refusePruning } from "./layer.ts";
import type { Turn } from "./pipeline.ts";
import { PROFILES } from "./profiles.ts";
import {
  afterOptimizerStepInto,
  beforeOptimizerStepInto,
  beginStepInto,
  readsGradients,
} from "./pruner.ts";
import { createPrunerScratches, type PrunerScratch } from "./scratch.ts";
import {
  checkState,
  type LiveLayer,
  type LivePruningState,
  ownedLayers,
  type PrunedLayer,
  type PrunerState,
  type PruningState,
} from "./state.ts";

/** The result of a hook in its pure form. */
export interface PruningResult {
  readonly state: PruningState;
  /** The weights that changed, by layer name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Opaque working memory for the `Into` forms, created by {@link createPruningScratch}. */
export interface PruningScratch {
  readonly pruners: readonly PrunerScratch[];
}

/**
 * Creates working memory for a state and all later states of the same run.
 *
 * @param kernels compiled kernels, for example from `createPruningKernels` in `espalier/nn`. Default: kernels in plain
 * JavaScript, which give the same results bit for bit.
 */
export function createPruningScratch(
  state: PruningState,
  kernels?: PruningKernels,
): PruningScratch {
  checkState(state);
  if (kernels !== undefined) checkObject("kernels", kernels, "writeMaskInto");
  return { pruners: createPrunerScratches(state.pruners, kernels) };
}

/** Finds the records of a pruner's layers by name. Each search starts at the record of the previous layer. */
function bindRecordsInto(
  pruner: PrunerState,
  layers: readonly LayerRecord[],
  { records }: PrunerScratch,
): void {
  let position = 0;
  pruner.layers.forEach(({ name, shape }, i) => {
    const start = position;
    while (layers[position]?.name !== name) {
      position = position + 1 < layers.length ? position + 1 : 0;
      if (position === start)
        refusePruning("layer-mismatch", "layers", `one named ${name}`, "none", name);
    }
    const record = layers[position];
    const count = elementCount(shape);
    checkFloat32Array(`layers ${name}: data`, record.data);
    if (record.data.length !== count)
      refusePruning("layer-mismatch", name, `${count} elements`, record.data.length, name);
    records[i] = record;
  });
}

/** Finds the records of all layers, then runs each action in turn, for every pruner. */
function takeTurns(
  state: LivePruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
  ...actions: readonly ((turn: Turn) => void)[]
): LivePruningState {
  checkState(state);
  checkRecordList(layers);
  checkObject("scratch", scratch, "pruners");
  checkRecords("scratch.pruners", scratch.pruners, "records");
  if (!scratch.pruners[state.pruners.length - 1])
    throw new RangeError(mismatch("scratch", "that of this state", "another"));
  const rules = PROFILES[state.profile];
  const turns = state.pruners.map((pruner, i): Turn => {
    bindRecordsInto(pruner, layers, scratch.pruners[i]);
    return { rules, pruner, scratch: scratch.pruners[i] };
  });
  for (const action of actions) turns.forEach(action);
  return state;
}

function checkGradients(turn: Turn): void {
  if (!readsGradients(turn)) return;
  const { pruner, scratch } = turn;
  const { criterion } = pruner.config;
  pruner.layers.forEach(({ name, scores }, i) => {
    // Criteria that score block masks skip layers without a block mask.
    if (scoresBlockMasks(criterion) && scores === null) return;
    const { data, gradient } = scratch.records[i];
    if (gradient?.length !== data.length)
      refusePruning(
        "missing-gradient",
        name,
        `a gradient of ${data.length} elements for the ${criterion} criterion`,
        gradient ? gradient.length : "none",
        name,
      );
    checkFloat32Array(`${name}: gradient`, gradient);
  });
}

/**
 * In-place form of {@link onStepBegin}: consumes `state`, and zeroes pruned weights in the layers' data. After an
 * error, the weights of the pruner that caused it are unchanged, and `state` must not be used again.
 */
export function onStepBeginInto(
  state: LivePruningState,
  step: number,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): LivePruningState {
  checkInteger("step", step);
  checkState(state);
  const next = state.pruners[0]?.step ?? step;
  if (step !== next)
    throw new RangeError(mismatch("step", `${next}, the number of optimizer steps done`, step));
  return takeTurns(state, layers, scratch, beginStepInto);
}

/**
 * In-place form of {@link onBeforeOptimizerStep}: consumes `state`, and reads weights and gradients without changing
 * them.
 */
export function onBeforeOptimizerStepInto(
  state: LivePruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): LivePruningState {
  return takeTurns(state, layers, scratch, checkGradients, beforeOptimizerStepInto);
}

/** In-place form of {@link onAfterOptimizerStep}: consumes `state`, and changes weights in the layers' data. */
export function onAfterOptimizerStepInto(
  state: LivePruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): LivePruningState {
  return takeTurns(state, layers, scratch, afterOptimizerStepInto);
}

/** Copies a mask. `slice` would not copy a mask that was read from a file as a Node.js Buffer. */
function copyMask(mask: Uint8Array): Uint8Array {
  return new Uint8Array(mask);
}

function copyLayer(layer: PrunedLayer): LiveLayer {
  return {
    ...layer,
    mask: copyMask(layer.mask),
    scores: layer.scores?.slice() ?? null,
    lassoTerms: layer.lassoTerms?.slice() ?? null,
    previousMask: layer.previousMask && copyMask(layer.previousMask),
    progressiveMask: layer.progressiveMask && copyMask(layer.progressiveMask),
  };
}

/** Copies a state for use with the `Into` forms. The original stays valid. */
export function copyPruningState(state: PruningState): LivePruningState {
  checkState(state);
  return {
    ...state,
    pruners: state.pruners.map((pruner) => ({ ...pruner, layers: pruner.layers.map(copyLayer) })),
  };
}

/** Runs in-place forms of hooks on copies of the layers, and returns the new state and the weights that changed. */
export function onLayerCopies(
  state: LivePruningState,
  layers: readonly LayerRecord[],
  run: (layers: readonly LayerRecord[], scratch: PruningScratch) => LivePruningState,
): PruningResult {
  checkRecordList(layers);
  for (const { name, data } of layers) checkFloat32Array(`layers ${name}: data`, data);
  const pruned = new Set(ownedLayers(state).map(({ name }) => name));
  const copies = layers.map((layer) =>
    pruned.has(layer.name) ? { ...layer, data: layer.data.slice() } : layer,
  );
  const next = run(copies, createPruningScratch(state));
  const changed = copies.filter(({ data }, i) =>
    data.some((value, at) => !Object.is(value, layers[i].data[at])),
  );
  return { state: next, weights: new Map(changed.map(({ name, data }) => [name, data])) };
}

/** Runs the in-place form of a hook on copies of the state and the layers. */
function purely(
  state: PruningState,
  layers: readonly LayerRecord[],
  runInto: typeof onBeforeOptimizerStepInto,
): PruningResult {
  const copy = copyPruningState(state);
  return onLayerCopies(copy, layers, (copies, scratch) => runInto(copy, copies, scratch));
}

/**
 * Begins a training step. At a prune step, computes new masks and applies them to the weights.
 *
 * @param step the number of completed optimizer steps.
 * @throws PruningError if the target ratio of the prune step cannot be reached.
 */
export function onStepBegin(
  state: PruningState,
  step: number,
  layers: readonly LayerRecord[],
): PruningResult {
  return purely(state, layers, (copy, copies, scratch) =>
    onStepBeginInto(copy, step, copies, scratch),
  );
}

/**
 * Updates the scores from the step's gradients. Does not change any weights.
 *
 * @throws PruningError `missing-gradient` if the criterion needs a gradient that a layer lacks.
 */
export function onBeforeOptimizerStep(
  state: PruningState,
  layers: readonly LayerRecord[],
): PruningResult {
  return purely(state, layers, onBeforeOptimizerStepInto);
}

/**
 * Ends a training step after the optimizer's update: applies group lasso, if any, and zeroes the pruned weights again.
 */
export function onAfterOptimizerStep(
  state: PruningState,
  layers: readonly LayerRecord[],
): PruningResult {
  return purely(state, layers, onAfterOptimizerStepInto);
}
