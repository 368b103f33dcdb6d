/**
 * Pruning over time as a reducer. A training step calls {@link onStepBegin}, computes gradients, calls
 * {@link onBeforeOptimizerStep}, updates the weights, and calls {@link onAfterOptimizerStep}: INC's hooks.
 *
 * The pure forms return a new state and the weights that changed. The `Into` forms take the state over, write into
 * the layers' own data, and make no arrays after the first prune step. Two exceptions: a layer that a bound freezes
 * may change from scores of blocks to scores of elements, and retrain_free keeps the gradients of every step.
 */
import { checkFloat32Array, checkInteger, mismatch } from "../core/checks.ts";
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
  type LiveLayer,
  type LivePruningState,
  ownedLayers,
  type PrunedLayer,
  type PrunerState,
  type PruningState,
} from "./state.ts";

/** A new state and the weights that changed, by layer name. */
export interface PruningResult {
  readonly state: PruningState;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Working memory of the `Into` forms. Opaque; made once by {@link createPruningScratch}. */
export interface PruningScratch {
  readonly pruners: readonly PrunerScratch[];
}

/**
 * Makes the working memory for a state. It serves all later states of the same run.
 *
 * @param kernels compiled loops, such as those of `createPruningKernels` in `espalier/nn`. Default: loops in plain
 * JavaScript, with the same results to the last bit.
 */
export function createPruningScratch(
  state: PruningState,
  kernels?: PruningKernels,
): PruningScratch {
  return { pruners: createPrunerScratches(state.pruners, kernels) };
}

/** Finds the records of a pruner's layers, in the place of the last call if they are still there. */
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
    checkFloat32Array(`${name}: data`, record.data);
    if (record.data.length !== count)
      refusePruning("layer-mismatch", name, `${count} elements`, record.data.length, name);
    records[i] = record;
  });
}

/** Gives every pruner its turn, once the records of all layers are found. */
function takeTurns(
  state: LivePruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
  ...actions: readonly ((turn: Turn) => void)[]
): LivePruningState {
  checkRecordList(layers);
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
    // Layers without a block mask are left alone by criteria that score those.
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
 * In-place form of {@link onStepBegin}: takes `state` over, zeroes pruned weights in the layers' data. If a step is
 * refused, the weights of that pruner are untouched and the state must not be used again.
 */
export function onStepBeginInto(
  state: LivePruningState,
  step: number,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): LivePruningState {
  const next = state.pruners[0]?.step ?? step;
  checkInteger("step", step);
  if (step !== next)
    throw new RangeError(mismatch("step", `${next}, the number of optimizer steps done`, step));
  return takeTurns(state, layers, scratch, beginStepInto);
}

/** In-place form of {@link onBeforeOptimizerStep}: takes `state` over; reads weights and gradients. */
export function onBeforeOptimizerStepInto(
  state: LivePruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): LivePruningState {
  return takeTurns(state, layers, scratch, checkGradients, beforeOptimizerStepInto);
}

/** In-place form of {@link onAfterOptimizerStep}: takes `state` over, zeroes pruned weights. */
export function onAfterOptimizerStepInto(
  state: LivePruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): LivePruningState {
  return takeTurns(state, layers, scratch, afterOptimizerStepInto);
}

/** A copy. `slice` of a Node Buffer, which files are read into, would share its memory. */
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

/** A copy of a state that shares nothing that changes. */
export function copyPruningState(state: PruningState): LivePruningState {
  return {
    ...state,
    pruners: state.pruners.map((pruner) => ({ ...pruner, layers: pruner.layers.map(copyLayer) })),
  };
}

/** Runs an in-place form on copies and collects what changed. */
function purely(
  state: PruningState,
  layers: readonly LayerRecord[],
  runInto: (
    state: LivePruningState,
    layers: readonly LayerRecord[],
    scratch: PruningScratch,
  ) => PruningState,
): PruningResult {
  checkRecordList(layers);
  const copies = copyPrunedLayers(state, layers);
  const next = runInto(copyPruningState(state), copies, createPruningScratch(state));
  const changed = copies.filter(({ data }, i) => differs(layers[i].data, data));
  return { state: next, weights: new Map(changed.map(({ name, data }) => [name, data])) };
}

/** The layers, with copies of the data that pruners may write to. */
function copyPrunedLayers(
  state: PruningState,
  layers: readonly LayerRecord[],
): readonly LayerRecord[] {
  const pruned = new Set(ownedLayers(state).map(({ name }) => name));
  return layers.map((layer) =>
    pruned.has(layer.name) ? { ...layer, data: layer.data.slice() } : layer,
  );
}

/** Whether two arrays of one length differ in any bit. */
function differs(a: Float32Array, b: Float32Array): boolean {
  const [left, right] = [a, b].map((one) => new Int32Array(one.buffer, one.byteOffset, one.length));
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return true;
  return false;
}

/**
 * Begins a step: at a prune step, new masks are made and applied.
 *
 * @param step optimizer steps done so far.
 * @throws PruningError if the schedule's target cannot be met.
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
 * Takes the step's gradients into the scores. Changes no weight.
 *
 * @throws PruningError `missing-gradient` if the criterion needs one.
 */
export function onBeforeOptimizerStep(
  state: PruningState,
  layers: readonly LayerRecord[],
): PruningResult {
  return purely(state, layers, onBeforeOptimizerStepInto);
}

/** Ends a step, after the optimizer has updated the weights: pruned ones are set to zero again. */
export function onAfterOptimizerStep(
  state: PruningState,
  layers: readonly LayerRecord[],
): PruningResult {
  return purely(state, layers, onAfterOptimizerStepInto);
}
