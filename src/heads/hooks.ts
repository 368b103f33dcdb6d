/**
 * Pruning of attention heads during training as a reducer, with the same three hooks as pruning of blocks: a training step
 * calls `onStepBegin`, computes gradients, calls `onBeforeOptimizerStep`, updates the weights, and calls
 * `onAfterOptimizerStep` (INC: `pruners/mha.py`).
 */
import { checkFloat32Array, checkInteger, checkObject, mismatch } from "../core/checks.ts";
import { sumOf } from "../core/sum.ts";
import { countZeros } from "../prune/count.ts";
import { accumulatesElements, needsGradient } from "../prune/criteria.ts";
import { checkRecordList, elementCount, type LayerRecord, refusePruning } from "../prune/layer.ts";
import { isPruneStep } from "../prune/schedule.ts";
import { applyHeadMaskInto } from "./apply.ts";
import { HEAD_PROFILES } from "./profiles.ts";
import { updateElementScoresInto, updateHeadScoresInto } from "./score.ts";
import { createScratch, type HeadScratch } from "./scratch.ts";
import {
  checkHeadState,
  copyHeadState,
  type HeadPruningState,
  type LiveHeadPruningState,
  linearLayers,
  type PrunedAttention,
  refuseMissing,
} from "./state.ts";

/** The result of a hook in its pure form. */
export interface HeadPruningResult {
  readonly state: HeadPruningState;
  /** The weights that changed, by layer name. */
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Returns the records of each attention layer's linear layers, the output layer last. */
function recordsOf(
  attentions: readonly PrunedAttention[],
  layers: readonly LayerRecord[],
): readonly (readonly LayerRecord[])[] {
  checkRecordList(layers);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  return attentions.map((attention) =>
    linearLayers(attention).map((name) => {
      const record = byName.get(name) ?? refuseMissing(name);
      checkFloat32Array(`layers ${name}: data`, record.data, elementCount(record.shape));
      return record;
    }),
  );
}

/** Creates working memory for a state and all later states of the same run. */
function createHeadScratch(state: HeadPruningState, layers: readonly LayerRecord[]): HeadScratch {
  checkHeadState(state);
  return createScratch(state.attentions, recordsOf(state.attentions, layers));
}

/** Finds the records of all attention layers. */
function bindInto(
  state: HeadPruningState,
  layers: readonly LayerRecord[],
  scratch: HeadScratch,
): void {
  checkHeadState(state);
  checkObject("scratch", scratch, "records");
  recordsOf(state.attentions, layers).forEach((own, i) => {
    scratch.records[i] = [...own];
  });
}

function applyMasksInto({ attentions }: HeadPruningState, { records }: HeadScratch): void {
  attentions.forEach((attention, i) => {
    const own = records[i];
    const [rows = 0] = own[own.length - 1].shape;
    applyHeadMaskInto(
      attention,
      own.map(({ data }) => data),
      rows,
    );
  });
}

/** Computes the scores of heads. Returns whether there are any: those from gradients may not exist yet. */
function scoreHeadsInto(state: LiveHeadPruningState, scratch: HeadScratch): boolean {
  const { config, attentions } = state;
  const fresh = !needsGradient(config.criterion);
  attentions.forEach((attention, i) => {
    const records = scratch.records[i];
    // Accumulated scores are zero before the first gradient.
    if (accumulatesElements(config.criterion))
      attention.elementScores ??= records.map(({ data }) => new Float32Array(data.length));
    if (fresh) updateElementScoresInto(config, attention, records, scratch);
    updateHeadScoresInto(config, attention, records, scratch);
  });
  return attentions.every(({ scores }) => scores !== null);
}

function pruneStepInto(state: LiveHeadPruningState, scratch: HeadScratch): void {
  const { profile, config, attentions, completedPruneSteps, totalPruneSteps } = state;
  if (!isPruneStep(config, state.step) || state.currentSparsity > config.targetSparsity) return;
  const { targetRatio, chooseInto } = HEAD_PROFILES[profile];
  const target = targetRatio(config, completedPruneSteps, totalPruneSteps, 0);
  const scored = scoreHeadsInto(state, scratch);
  if (scored) {
    chooseInto(state, target, scratch);
    applyMasksInto(state, scratch);
  }
  state.completedPruneSteps++;
  const prunedBlocks = sumOf(attentions, ({ mask }) => countZeros(mask));
  const totalBlocks = sumOf(attentions, ({ heads }) => heads);
  if (scored) state.currentSparsity = prunedBlocks / totalBlocks;
  state.lastEvent = { step: state.step, targetRatio: target, scored, prunedBlocks, totalBlocks };
}

/**
 * In-place form of `onStepBegin`: consumes `state`, and zeroes the weights of pruned heads in the layers' data. After an
 * error, the weights are unchanged, and `state` must not be used again.
 */
function onStepBeginInto(
  state: LiveHeadPruningState,
  step: number,
  layers: readonly LayerRecord[],
  scratch: HeadScratch,
): LiveHeadPruningState {
  checkInteger("step", step);
  bindInto(state, layers, scratch);
  if (step !== state.step)
    throw new RangeError(
      mismatch("step", `${state.step}, the number of optimizer steps done`, step),
    );
  if (state.handledStep !== step) pruneStepInto(state, scratch);
  state.handledStep = step;
  return state;
}

/** In-place form of `onBeforeOptimizerStep`: consumes `state`, and reads weights and gradients without changing them. */
function onBeforeOptimizerStepInto(
  state: LiveHeadPruningState,
  layers: readonly LayerRecord[],
  scratch: HeadScratch,
): LiveHeadPruningState {
  bindInto(state, layers, scratch);
  const { config, attentions } = state;
  if (!needsGradient(config.criterion)) return state;
  for (const { name, data, gradient } of scratch.records.flat()) {
    if (gradient?.length !== data.length)
      refusePruning(
        "missing-gradient",
        name,
        `a gradient of ${data.length} elements for the ${config.criterion} criterion`,
        gradient ? gradient.length : "none",
        name,
      );
    checkFloat32Array(`${name}: gradient`, gradient);
  }
  attentions.forEach((attention, i) => {
    updateElementScoresInto(config, attention, scratch.records[i], scratch);
  });
  return state;
}

/** In-place form of `onAfterOptimizerStep`: consumes `state`, and changes weights in the layers' data. */
function onAfterOptimizerStepInto(
  state: LiveHeadPruningState,
  layers: readonly LayerRecord[],
  scratch: HeadScratch,
): LiveHeadPruningState {
  bindInto(state, layers, scratch);
  applyMasksInto(state, scratch);
  state.step++;
  return state;
}

/** Runs the in-place form of a hook on copies of the state and the layers. */
function purely(
  state: HeadPruningState,
  layers: readonly LayerRecord[],
  run: typeof onBeforeOptimizerStepInto,
): HeadPruningResult {
  const copy = copyHeadState(state);
  checkRecordList(layers);
  const owned = new Set(copy.attentions.flatMap(linearLayers));
  const copies = layers
    .filter(({ name }) => owned.has(name))
    .map((layer) => ({ ...layer, data: layer.data.slice() }));
  const next = run(copy, copies, createHeadScratch(copy, copies));
  const before = new Map(layers.map(({ name, data }) => [name, data]));
  const changed = copies.filter(({ name, data }) => {
    const old = before.get(name);
    return data.some((value, i) => !Object.is(value, old?.[i]));
  });
  return { state: next, weights: new Map(changed.map(({ name, data }) => [name, data])) };
}

/** The hooks in their pure form. Each returns a new state and the changed weights. */
export const headHooks: {
  /** Begins a training step. At a prune step, chooses heads and zeroes the weights of pruned ones. */
  readonly onStepBegin: (
    state: HeadPruningState,
    step: number,
    layers: readonly LayerRecord[],
  ) => HeadPruningResult;
  /** Updates the scores from the step's gradients. Does not change any weights. */
  readonly onBeforeOptimizerStep: (
    state: HeadPruningState,
    layers: readonly LayerRecord[],
  ) => HeadPruningResult;
  /** Ends a training step after the optimizer's update: zeroes the weights of pruned heads again. */
  readonly onAfterOptimizerStep: (
    state: HeadPruningState,
    layers: readonly LayerRecord[],
  ) => HeadPruningResult;
} = {
  onStepBegin: (state, step, layers) =>
    purely(state, layers, (copy, copies, scratch) => onStepBeginInto(copy, step, copies, scratch)),
  onBeforeOptimizerStep: (state, layers) => purely(state, layers, onBeforeOptimizerStepInto),
  onAfterOptimizerStep: (state, layers) => purely(state, layers, onAfterOptimizerStepInto),
};

/**
 * The hooks in their in-place form, with the working memory that they need. They consume a state of their own, from
 * `copyState`, and write into the layers' own data.
 */
export const headHooksInto: {
  readonly copyState: typeof copyHeadState;
  readonly createScratch: typeof createHeadScratch;
  readonly onStepBegin: typeof onStepBeginInto;
  readonly onBeforeOptimizerStep: typeof onBeforeOptimizerStepInto;
  readonly onAfterOptimizerStep: typeof onAfterOptimizerStepInto;
} = {
  copyState: copyHeadState,
  createScratch: createHeadScratch,
  onStepBegin: onStepBeginInto,
  onBeforeOptimizerStep: onBeforeOptimizerStepInto,
  onAfterOptimizerStep: onAfterOptimizerStepInto,
};
