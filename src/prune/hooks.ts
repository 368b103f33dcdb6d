/**
 * Pruning over time as a reducer: config -> select -> score -> reduce -> schedule -> budget -> threshold
 * -> mask -> apply. A training step calls {@link onStepBegin}, computes gradients, calls
 * {@link onBeforeOptimizerStep}, updates the weights, and calls {@link onAfterOptimizerStep}: INC's hooks.
 *
 * The pure forms return a new state and the weights that changed. The `Into` forms consume the state,
 * write into the layers' own data and make no arrays after the first prune step (but for a layer that a bound freezes
 * under a criterion without memory: it changes from scores of blocks to scores of elements; and for the gradients
 * that retrain_free keeps).
 */
import { pipe } from "fp-ts/function";
import { filterWithIndex, map } from "fp-ts/ReadonlyArray";
import { checkFloat32Array, checkInteger, mismatch } from "../core/checks.ts";
import type { PruningKernels } from "../core/pruning-kernels.ts";
import { createReplaceScratch } from "./candidates.ts";
import { scoresBlockMasks } from "./criteria.ts";
import { checkRecordList, elementCount, type LayerRecord, refusePruning } from "./layer.ts";
import { plainKernels } from "./plain-kernels.ts";
import { afterOptimizerStep, beforeOptimizerStep, beginStep } from "./pruner.ts";
import { createScoreScratch } from "./score.ts";
import {
  type Mutable,
  ownedLayers,
  type PrunedLayer,
  type PrunerState,
  type PruningState,
} from "./state.ts";
import { createSelectionScratch } from "./threshold.ts";
import { type PrunerScratch, readsGradients } from "./update-scores.ts";

export { type InitialiseOptions, initialisePruning } from "./initialise.ts";

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
 * Makes the working memory for a state; it serves all later states of the same run.
 *
 * @param kernels compiled loops, such as `createPruningKernels` of `espalier/nn` makes; the same to the last bit
 * as those in plain JavaScript that are used without.
 */
export function createPruningScratch(
  state: PruningState,
  kernels: PruningKernels = plainKernels,
): PruningScratch {
  const selection = createSelectionScratch(kernels);
  const score = createScoreScratch(kernels);
  return {
    pruners: state.pruners.map((pruner) => ({
      score,
      maskGradients: new Float32Array(0),
      replace: createReplaceScratch(pruner, selection),
      records: [],
    })),
  };
}

/** Does something with each pruner and its working memory. */
function forEachPruner(
  { profile, pruners }: PruningState,
  scratch: PruningScratch,
  visit: (strict: boolean, pruner: Mutable<PrunerState>, scratch: PrunerScratch) => void,
): void {
  pruners.forEach((pruner, i) => {
    visit(profile === "strict", pruner, scratch.pruners[i] as PrunerScratch);
  });
}

/** Finds the records of a pruner's layers, at the place where they were at the last call if they still are. */
function bindRecords(
  pruner: PrunerState,
  layers: readonly LayerRecord[],
  scratch: PrunerScratch,
): void {
  let position = 0;
  pruner.layers.forEach((layer, i) => {
    const start = position;
    while (layers[position]?.name !== layer.name) {
      position = position + 1 < layers.length ? position + 1 : 0;
      if (position === start)
        refusePruning("layer-mismatch", "layers", `one named ${layer.name}`, "none", layer.name);
    }
    const record = layers[position] as LayerRecord;
    checkFloat32Array(`${layer.name}: data`, record.data);
    if (record.data.length !== elementCount(layer.shape))
      refusePruning(
        "layer-mismatch",
        layer.name,
        `${elementCount(layer.shape)} elements`,
        record.data.length,
        layer.name,
      );
    scratch.records[i] = record;
  });
}

/** Finds all pruners' records. Nothing is written before every one is found. */
function bindAll(
  state: PruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): void {
  checkRecordList(layers);
  forEachPruner(state, scratch, (_, pruner, own) => bindRecords(pruner, layers, own));
}

function checkGradients(strict: boolean, pruner: PrunerState, scratch: PrunerScratch): void {
  if (!readsGradients(strict, pruner)) return;
  const { criterion } = pruner.config;
  pruner.layers.forEach(({ name, scores }, i) => {
    // Layers without a block mask are left alone under criteria of those.
    if (scoresBlockMasks(criterion) && scores === null) return;
    const { data, gradient } = scratch.records[i] as LayerRecord;
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
 * In-place form of {@link onStepBegin}: consumes `state`, zeroes pruned weights in the layers' data.
 * Where a step is refused, the weights of that pruner are untouched and the state is not to be used again.
 */
export function onStepBeginInto(
  state: PruningState,
  step: number,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): PruningState {
  const next = state.pruners[0]?.step ?? step;
  checkInteger("step", step);
  if (step !== next)
    throw new RangeError(mismatch("step", `${next}, the number of optimizer steps done`, step));
  bindAll(state, layers, scratch);
  forEachPruner(state, scratch, beginStep);
  return state;
}

/** In-place form of {@link onBeforeOptimizerStep}: consumes `state`; reads weights and gradients. */
export function onBeforeOptimizerStepInto(
  state: PruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): PruningState {
  bindAll(state, layers, scratch);
  forEachPruner(state, scratch, checkGradients);
  forEachPruner(state, scratch, beforeOptimizerStep);
  return state;
}

/** In-place form of {@link onAfterOptimizerStep}: consumes `state`, zeroes pruned weights. */
export function onAfterOptimizerStepInto(
  state: PruningState,
  layers: readonly LayerRecord[],
  scratch: PruningScratch,
): PruningState {
  bindAll(state, layers, scratch);
  forEachPruner(state, scratch, afterOptimizerStep);
  return state;
}

/** Not by `slice`, with which a Node Buffer, as files are read into, would share its memory. */
function copyMask(mask: Uint8Array): Uint8Array {
  return new Uint8Array(mask);
}

function copyLayer(layer: PrunedLayer): PrunedLayer {
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
export function copyPruningState(state: PruningState): PruningState {
  return {
    ...state,
    pruners: state.pruners.map((pruner) => ({ ...pruner, layers: pruner.layers.map(copyLayer) })),
  };
}

/** Runs an in-place form on copies and collects what changed. */
function purely(
  state: PruningState,
  layers: readonly LayerRecord[],
  run: (
    state: PruningState,
    layers: readonly LayerRecord[],
    scratch: PruningScratch,
  ) => PruningState,
): PruningResult {
  checkRecordList(layers);
  const copies = copyPrunedLayers(state, layers);
  const next = run(copyPruningState(state), copies, createPruningScratch(state));
  return { state: next, weights: changedWeights(layers, copies) };
}

/** The layers, with a copy of the data of those that a pruner may write to. */
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
  if (a === b) return false;
  const left = new Int32Array(a.buffer, a.byteOffset, a.length);
  const right = new Int32Array(b.buffer, b.byteOffset, b.length);
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return true;
  return false;
}

/** The weights in which two lists of the same layers differ, as the second has them. */
function changedWeights(
  before: readonly LayerRecord[],
  after: readonly LayerRecord[],
): ReadonlyMap<string, Float32Array> {
  const changed = pipe(
    after,
    filterWithIndex((i, { data }) => differs((before[i] as LayerRecord).data, data)),
    map(({ name, data }) => [name, data] as const),
  );
  return new Map(changed);
}

/**
 * Begins a step: at a prune step, new masks are made and applied.
 *
 * @param step optimizer steps done so far.
 * @throws PruningError where the schedule's target cannot be met.
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
 * @throws PruningError `missing-gradient` where a criterion needs one that is not there.
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
