/** Runs the hooks of all pruners of a training run: those of blocks and those of attention heads. */
import { headHooksInto } from "../heads/hooks.ts";
import type { HeadPruningState } from "../heads/state.ts";
import {
  onAfterOptimizerStepInto,
  onBeforeOptimizerStepInto,
  onStepBeginInto,
} from "../prune/hooks.ts";
import type { LayerRecord } from "../prune/layer.ts";
import type { PruningState } from "../prune/state.ts";
import { shownHeads } from "./head-pruning.ts";
import type { SessionPruning } from "./session.ts";

/** Replaces the state of the pruners of blocks. The hooks of the core refuse a state without pruners. */
function updateBlocksInto(
  pruning: SessionPruning,
  run: (state: PruningState, scratch: SessionPruning["scratch"]) => PruningState,
): void {
  if (pruning.state.pruners.length > 0) pruning.state = run(pruning.state, pruning.scratch);
}

/** Begins a step: at a prune step, chooses and applies masks. */
export function beginPruningStepInto(
  pruning: SessionPruning,
  step: number,
  layers: readonly LayerRecord[],
): void {
  const beginHeads = (): void => {
    for (const heads of pruning.heads)
      heads.state = headHooksInto.onStepBegin(heads.state, step, layers, heads.scratch);
  };
  // If pruners share a layer and a prune step, the first pruner of the configuration is the first to prune.
  if (pruning.headsFirst) beginHeads();
  updateBlocksInto(pruning, (state, scratch) => onStepBeginInto(state, step, layers, scratch));
  if (!pruning.headsFirst) beginHeads();
}

/** Updates scores from gradients. */
export function readGradientsInto(pruning: SessionPruning, layers: readonly LayerRecord[]): void {
  updateBlocksInto(pruning, (state, scratch) => onBeforeOptimizerStepInto(state, layers, scratch));
  for (const heads of pruning.heads)
    heads.state = headHooksInto.onBeforeOptimizerStep(heads.state, layers, heads.scratch);
}

/** Applies masks to updated weights. */
export function endPruningStepInto(pruning: SessionPruning, layers: readonly LayerRecord[]): void {
  updateBlocksInto(pruning, (state, scratch) => onAfterOptimizerStepInto(state, layers, scratch));
  for (const heads of pruning.heads)
    heads.state = headHooksInto.onAfterOptimizerStep(heads.state, layers, heads.scratch);
}

/** The states of all pruners for reports and masks, with heads in the form of blocks. */
export function shownPruning(
  { state, heads, headsFirst }: SessionPruning,
  layers: readonly LayerRecord[],
): PruningState {
  if (heads.length === 0) return state;
  const shown = heads.map((one) => shownHeads(one, layers));
  const pruners = headsFirst ? [...shown, ...state.pruners] : [...state.pruners, ...shown];
  return { ...state, pruners };
}

/** Copies the states of pruners of heads, for snapshots. */
export function copyHeadStates({ heads }: SessionPruning): readonly HeadPruningState[] {
  return heads.map(({ state }) => headHooksInto.copyState(state));
}
