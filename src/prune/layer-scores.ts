/** Reads and scores one layer at a time, for pruning layer by layer under the `strict` profile. */
import type { PruningKernels } from "../core/pruning-kernels.ts";
import type { AdmissionOptions } from "./admit.ts";
import { freshCandidate } from "./candidates.ts";
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

/** A layer whose weight is read on demand. */
export interface LayerSource extends LayerShape {
  /**
   * Reads the weight and, if the criterion needs it, the gradient. It is called several times and must return the same
   * values each time.
   */
  readonly read: () => Pick<LayerRecord, "data" | "gradient">;
}

/**
 * A histogram of the upper or lower 16 bits of a layer's scores: the 16-bit values that occur, and how often each value
 * occurs.
 */
export interface HalfCounts {
  readonly halves: Uint16Array;
  readonly counts: Uint32Array;
}

/** The minimum and maximum number of blocks to prune in a layer. */
export interface LayerBounds {
  readonly fewest: number;
  readonly most: number;
}

/** The options for selecting layers that are pruned one at a time. */
export const ADMISSION: AdmissionOptions = {
  excludeHead: false,
  allowNothing: false,
  indivisible: "skip",
};

const NO_VALUES: Float32Array = new Float32Array(0);

/** A layer that has been read and scored. */
export interface OpenLayer {
  readonly pruner: LivePruner;
  readonly candidate: ExactCandidate;
  readonly scratch: PrunerScratch;
}

/** Working memory for pruning a pruner's layers sequentially. */
export interface LayerWorkspace {
  readonly selection: SelectionScratch;
  last: OpenLayer | null;
}

/** Creates working memory. It is reused as long as consecutive layers have the same kind and shape. */
export function createLayerWorkspace(kernels: PruningKernels = plainKernels): LayerWorkspace {
  return { selection: createSelectionScratch(kernels), last: null };
}

/** Returns a pruner for a single layer, in its initial state, and the pruner's working memory. */
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
    if (accumulatesElements(config.criterion)) layer.scores?.fill(0);
    return { pruner: { ...last.pruner, layers: [{ ...layer, name }] }, scratch: last.scratch };
  }
  const { pruner } = preparePruner(config, [record], PROFILES.strict, ADMISSION);
  const [scratch] = createPrunerScratches([pruner], selection.kernels, selection);
  return { pruner, scratch };
}

/** Reads a layer and scores its blocks. If there are bounds, blocks that must be pruned or kept get infinite scores. */
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
  // The scores are computed again for each layer, so bounds may overwrite them.
  const candidate = freshCandidate(pruner, 0, config.targetSparsity, scratch);
  if (bounds !== null)
    imposeBoundsInto({ ...candidate, most: bounds.most }, bounds.fewest, workspace.selection);
  // Drop the weight and the gradient, so that their memory can be freed.
  scratch.records[0] = { name, kind, shape, data: NO_VALUES };
  workspace.last = { pruner, candidate, scratch };
  return workspace.last;
}

/**
 * Counts a layer's scores by their upper 16 bits if `leading` is null. Otherwise counts the scores whose upper 16 bits
 * are `leading` by their lower 16 bits.
 *
 * @param parts the layer as a whole, or, if there are no bounds, its bands of rows as separate layers.
 */
export function countHalves(
  config: PatternPrunerConfig,
  parts: Iterable<LayerSource>,
  bounds: LayerBounds | null,
  leading: number | null,
  workspace: LayerWorkspace,
): HalfCounts {
  const { kernels } = workspace.selection;
  const histogram = new Uint32Array(workspace.selection.histogram.length);
  function* scores(): Generator<Float32Array> {
    for (const part of parts) yield openLayer(config, part, bounds, workspace).candidate.scores;
  }
  if (leading === null) kernels.countLeadingBitsInto(scores(), histogram);
  else kernels.countTrailingBitsInto(scores(), leading, histogram);
  let distinct = 0;
  for (let half = 0; half < histogram.length; half++) distinct += Number(histogram[half] > 0);
  const halves = new Uint16Array(distinct);
  const counts = new Uint32Array(distinct);
  for (let half = 0, next = 0; next < distinct; half++) {
    if (histogram[half] === 0) continue;
    halves[next] = half;
    counts[next++] = histogram[half];
  }
  return { halves, counts };
}
