/** Pruning of attention heads in a training run. Reports see heads in the form of blocks. */
import { applyHeadMaskInto } from "../heads/apply.ts";
import { headHooksInto } from "../heads/hooks.ts";
import type { HeadScratch } from "../heads/scratch.ts";
import {
  type HeadPruningState,
  type LiveHeadPruningState,
  linearLayers,
  type PrunedAttention,
} from "../heads/state.ts";
import { elementCount, type LayerRecord } from "../prune/layer.ts";
import type { BlockLayout } from "../prune/pattern.ts";
import type { PrunedLayer, PruneEvent, PrunerState } from "../prune/state.ts";

/** A pruner of heads in a training run. */
export interface SessionHeads {
  state: LiveHeadPruningState;
  readonly scratch: HeadScratch;
  /** The form of blocks, and the prune step to which it belongs. */
  shown: { readonly pruner: PrunerState; readonly event: PruneEvent | null } | null;
}

/** Takes a state over for the steps of a run. */
export function startHeads(state: HeadPruningState, layers: readonly LayerRecord[]): SessionHeads {
  return {
    state: headHooksInto.copyState(state),
    scratch: headHooksInto.createScratch(state, layers),
    shown: null,
  };
}

/** The layout in which each head is a block: rows of a projection, or columns of the output layer. */
function headLayout({ heads }: PrunedAttention, isOutput: boolean, shape: readonly number[]) {
  const [rows = 0, columns = 0] = shape;
  const layout: BlockLayout = {
    rows,
    columns,
    channels: columns,
    positions: 1,
    blockHeight: isOutput ? rows : rows / heads,
    blockWidth: isOutput ? columns / heads : columns,
    divides: true,
    blockRows: isOutput ? 1 : heads,
    blockColumns: isOutput ? heads : 1,
  };
  return layout;
}

/** Describes the pruned heads of all attention layers as the pruned blocks of their linear layers. */
export function headsAsBlocks(
  { attentions, config, ...state }: HeadPruningState,
  records: readonly LayerRecord[],
): PrunerState {
  const shapes = new Map(records.map(({ name, shape }) => [name, shape]));
  const layers = attentions.flatMap((attention) => {
    const names = linearLayers(attention);
    const masks = names.map((name) =>
      new Uint8Array(elementCount(shapes.get(name) ?? [0])).fill(1),
    );
    const [outputRows = 0] = shapes.get(attention.output) ?? [];
    applyHeadMaskInto(attention, masks, outputRows);
    return names.map((name, i): PrunedLayer => {
      const shape = shapes.get(name) ?? [];
      return {
        name,
        shape,
        layout: headLayout(attention, name === attention.output, shape),
        mask: masks[i] ?? new Uint8Array(0),
        scores: null,
        frozen: false,
        lassoTerms: null,
        collected: [],
        previousMask: null,
        progressiveMask: null,
      };
    });
  });
  const { step, handledStep, completedPruneSteps, totalPruneSteps, currentSparsity } = state;
  return {
    config: { ...config, pattern: { kind: "block", height: 1, width: "channel" } },
    layers,
    ...{ step, handledStep, completedPruneSteps, totalPruneSteps, currentSparsity },
    initialSparsity: 0,
    interpolating: false,
    lastPruneStep: state.lastEvent?.step ?? 0,
    aligned: false,
    lastEvent: state.lastEvent,
  };
}

/** Returns {@link headsAsBlocks}, computed once after each prune step. */
export function shownHeads(heads: SessionHeads, records: readonly LayerRecord[]): PrunerState {
  const event = heads.state.lastEvent;
  if (heads.shown?.event !== event || heads.shown === null)
    heads.shown = { pruner: headsAsBlocks(heads.state, records), event };
  return heads.shown.pruner;
}
