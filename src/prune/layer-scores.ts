/** The scores of one layer in memory, for pruning layer by layer under `strict`. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { AdmissionOptions } from "./admit.ts";
import { exactCandidate } from "./candidates.ts";
import type { PatternPrunerConfig } from "./config.ts";
import { accumulatesElements, needsGradient } from "./criteria.ts";
import { type ExactCandidate, imposeBoundsInto } from "./exact.ts";
import { type LayerRecord, type LayerShape, refusePruning } from "./layer.ts";
import { preparePruner } from "./pipeline.ts";
import { plainKernels } from "./plain-kernels.ts";
import { PROFILES } from "./profiles.ts";
import { updateScoresInto } from "./score.ts";
import { createPrunerScratches, type PrunerScratch } from "./scratch.ts";
import type { LivePruner } from "./state.ts";
import { createSelectionScratch, type SelectionScratch } from "./threshold.ts";

/** A layer whose weight is read when it is needed. */
export interface LayerSource extends LayerShape {
  /** The weight and, if the criterion needs it, its gradient. Called more than once, for the same values. */
  readonly read: () => Pick<LayerRecord, "data" | "gradient">;
}

/** How often each 16-bit half occurs in the bits of a layer's scores. */
export interface HalfCounts {
  readonly halves: Uint16Array;
  readonly counts: Uint32Array;
}

/** Fewest and most blocks that a layer loses. */
export interface LayerBounds {
  readonly fewest: number;
  readonly most: number;
}

/** How layers are admitted that are pruned one by one. */
export const ADMISSION: AdmissionOptions = {
  excludeHead: false,
  allowNothing: false,
  indivisible: "skip",
};

const NO_VALUES: Float32Array = new Float32Array(0);

/** A layer in memory, with its scores. */
export interface OpenLayer {
  readonly pruner: LivePruner;
  readonly candidate: ExactCandidate;
  readonly scratch: PrunerScratch;
}

/** Working memory for the layers of one pruner, one after the other. */
export interface LayerWorkspace {
  readonly selection: SelectionScratch;
  last: OpenLayer | null;
}

/** Makes working memory. It is reused as long as layers have the same shape. */
export function createLayerWorkspace(kernels: PruningKernels = plainKernels): LayerWorkspace {
  return { selection: createSelectionScratch(kernels), last: null };
}

/** A pruner of one layer before its first step, and its working memory. */
function preparedLayer(
  config: PatternPrunerConfig,
  record: LayerRecord,
  { last, selection }: LayerWorkspace,
): Pick<OpenLayer, "pruner" | "scratch"> {
  const { name, kind, shape } = record;
  const layer = last?.pruner.layers[0];
  if (
    last &&
    layer &&
    kind === last.scratch.records[0].kind &&
    shape.join() === layer.shape.join()
  ) {
    layer.mask.fill(1);
    if (accumulatesElements(config.criterion)) layer.scores?.fill(0);
    return { pruner: { ...last.pruner, layers: [{ ...layer, name }] }, scratch: last.scratch };
  }
  const { pruner } = preparePruner(config, [record], PROFILES.strict, ADMISSION);
  const [scratch] = createPrunerScratches([pruner], selection.kernels, selection);
  return { pruner, scratch };
}

/** Reads a layer and scores it. If bounds decide, they are imposed on the scores. */
export function openLayer(
  config: PatternPrunerConfig,
  { name, kind, shape, read }: LayerSource,
  bounds: LayerBounds | null,
  workspace: LayerWorkspace,
): OpenLayer {
  const { data, gradient = null } = read();
  const record: LayerRecord = { name, kind, shape, data, gradient };
  const { pruner, scratch } = preparedLayer(config, record, workspace);
  if (needsGradient(config.criterion) && gradient === null)
    refusePruning("missing-gradient", name, `a gradient for ${config.criterion}`, "none", name);
  scratch.records[0] = record;
  updateScoresInto(pruner, scratch);
  const candidate = exactCandidate(pruner, 0, config.targetSparsity, scratch);
  if (bounds !== null)
    imposeBoundsInto({ ...candidate, most: bounds.most }, bounds.fewest, workspace.selection);
  // The values are not kept.
  scratch.records[0] = { name, kind, shape, data: NO_VALUES };
  workspace.last = { pruner, candidate, scratch };
  return workspace.last;
}

/** Counts the halves of one layer's scores, as a pass asks. */
export function countHalves(
  config: PatternPrunerConfig,
  source: LayerSource,
  bounds: LayerBounds | null,
  leading: number | null,
  workspace: LayerWorkspace,
): HalfCounts {
  const { candidate } = openLayer(config, source, bounds, workspace);
  const { histogram, kernels } = workspace.selection;
  histogram.fill(0);
  if (leading === null) kernels.countLeadingBitsInto([candidate.scores], histogram);
  else kernels.countTrailingBitsInto([candidate.scores], leading, histogram);
  const halves = Uint16Array.from(histogram.keys()).filter((half) => histogram[half] > 0);
  return { halves, counts: Uint32Array.from(halves, (half) => histogram[half]) };
}
