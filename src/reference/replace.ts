/**
 * Computes the new masks of a prune step, for all layers together (`global`) or for each layer separately (`local`). At
 * the end, INC converts every mask from matrix order to the weight's order. Unchanged masks of frozen convolutions are
 * already in the weight's order, so the conversion scrambles them (`_reshape_2dims_to_orig` in `get_masks_global`).
 */
import ndarray from "ndarray";
import type { PatternPrunerConfig, Profile } from "../prune/config.ts";
import { expandBlocks } from "./blocks.ts";
import { exactMasks } from "./budget.ts";
import { countOf, prunedBlocks } from "./count.ts";
import { accumulates } from "./criteria.ts";
import { expandGroups, groupScores, keptWithinGroups } from "./groups.ts";
import { type IncContender, incMasks } from "./inc-budget.ts";
import { type Layout, ofBlocks } from "./layout.ts";
import { at, inWeightOrder, type MaskMatrix, type Matrix, maskOf, weightMatrix } from "./matrix.ts";

/** The fields of a layer that a prune step reads. */
interface MaskedLayer {
  readonly shape: readonly number[];
  readonly layout: Layout;
  readonly scores: Matrix | null;
  /** The mask in the weight's order. */
  readonly mask: Uint8Array;
  readonly frozen: boolean;
}

type Rule = Pick<
  PatternPrunerConfig,
  | "pattern"
  | "criterion"
  | "pruningScope"
  | "scoreReduction"
  | "lowMemoryUsage"
  | "targetSparsity"
  | "minSparsityRatioPerOp"
  | "maxSparsityRatioPerOp"
>;

/**
 * Returns the scores of a layer's blocks, and a function that expands a mask with one entry per block to a mask with
 * one entry per element.
 */
function blocksOf<Layer extends MaskedLayer>(
  rule: Rule,
  profile: Profile,
  { layout, scores }: Layer,
): Pick<IncContender, "scores" | "expand"> {
  const { pattern, scoreReduction, lowMemoryUsage, criterion } = rule;
  const own = scores ?? weightMatrix(new Float32Array(0), [0, 0]);
  if (pattern.kind === "block")
    return { scores: own, expand: (mask) => expandBlocks(mask, layout.height, layout.width) };
  const { prune, of } = pattern;
  const kept = keptWithinGroups(own, prune, of, profile);
  const low = lowMemoryUsage && accumulates(criterion);
  return {
    scores: groupScores(own, kept, of, scoreReduction, low),
    expand: (mask) => expandGroups(mask, kept, of),
  };
}

/**
 * Scrambles an unchanged mask as INC does: reads it as if it were in matrix order, and converts it to the weight's
 * order.
 */
function scrambled({ mask, shape }: MaskedLayer): Uint8Array {
  const rows = Number(shape[0]);
  return inWeightOrder(ndarray(mask, [rows, rows === 0 ? 0 : mask.length / rows]), shape);
}

function replaceInc<Layer extends MaskedLayer>(
  rule: Rule,
  layers: readonly Layer[],
  ratio: number,
): Layer[] {
  const { pattern, minSparsityRatioPerOp, maxSparsityRatioPerOp, targetSparsity } = rule;
  const contenders = layers.map((layer) => ({
    ...blocksOf(rule, "inc", layer),
    count: (mask: MaskMatrix) => countOf(pattern, layer.layout, mask, "inc"),
    mask: weightMatrix(layer.mask, layer.shape),
    frozen: layer.frozen,
  }));
  const bounds = {
    least: ofBlocks(pattern, minSparsityRatioPerOp),
    most: ofBlocks(pattern, maxSparsityRatioPerOp),
    final: ofBlocks(pattern, targetSparsity),
  };
  const outcomes = incMasks(contenders, ofBlocks(pattern, ratio), bounds, pattern.kind === "group");
  return layers.map((layer, i) => {
    const outcome = outcomes?.[i];
    if (outcome === undefined) return layer;
    const mask = outcome.fresh ? inWeightOrder(outcome.mask, layer.shape) : scrambled(layer);
    return { ...layer, mask, frozen: outcome.frozen };
  });
}

function replaceStrict<Layer extends MaskedLayer>(
  rule: Rule,
  layers: readonly Layer[],
  ratio: number,
): Layer[] {
  const { pattern, minSparsityRatioPerOp, maxSparsityRatioPerOp } = rule;
  const blocks = layers.map((layer) => blocksOf(rule, "strict", layer));
  const before = layers.map(({ mask, shape }) => weightMatrix(mask, shape));
  const contenders = layers.map(({ layout }, i) => ({
    scores: blocks[i].scores,
    settled: prunedBlocks(pattern, layout, before[i], "strict"),
  }));
  const kept = exactMasks(contenders, ofBlocks(pattern, ratio), {
    least: ofBlocks(pattern, minSparsityRatioPerOp),
    most: ofBlocks(pattern, maxSparsityRatioPerOp),
  });
  return layers.map((layer, i) => {
    const fresh = blocks[i].expand(kept[i]);
    const mask = mixed(layer.layout, contenders[i].settled, before[i], fresh);
    return { ...layer, mask: inWeightOrder(mask, layer.shape) };
  });
}

/** Combines two masks: settled blocks keep the mask `before`, all other blocks get the mask `now`. */
function mixed(
  { height, width }: Layout,
  settled: MaskMatrix,
  before: MaskMatrix,
  now: MaskMatrix,
): MaskMatrix {
  const isSettled = expandBlocks(settled, height, width);
  return maskOf(now.shape[0], now.shape[1], (row, column) => {
    const source = at(isSettled, row, column) === 1 ? before : now;
    return at(source, row, column) === 1;
  });
}

/**
 * Returns the layers with new masks, which prune a fraction `ratio` of the blocks (of the elements for N:M). Layers that do not
 * divide evenly into blocks do not change.
 */
export function replacedMasks<Layer extends MaskedLayer>(
  rule: Rule,
  profile: Profile,
  layers: readonly Layer[],
  ratio: number,
): Layer[] {
  const replace = profile === "inc" ? replaceInc : replaceStrict;
  const divided = layers.filter(({ layout }) => layout.divides);
  const budgets = rule.pruningScope === "global" ? [divided] : divided.map((one) => [one]);
  const changed = new Map<Layer, Layer>();
  for (const group of budgets)
    replace(rule, group, ratio).forEach((layer, i) => {
      changed.set(group[i], layer);
    });
  return layers.map((layer) => changed.get(layer) ?? layer);
}
