/** Replays pattern_units.json, which records calls of the functions that compute masks. */
import { adjustRatio, thresholdForRatio } from "../prune/budget.ts";
import type { ScoreReduction } from "../prune/config.ts";
import { type BlockCount, countBlocks, incKeptLimit, markPrunedInto } from "../prune/count.ts";
import { type GroupPattern, groupScoresInto } from "../prune/group.ts";
import { elementCount } from "../prune/layer.ts";
import { incLockMaskInto } from "../prune/lock.ts";
import { writeBlockMaskInto } from "../prune/mask.ts";
import {
  type BlockLayout,
  blockCount,
  layOut,
  type Pattern,
  parsePattern,
} from "../prune/pattern.ts";
import { incInterpolateMasksInto, type ProgressiveLayer } from "../prune/progressive.ts";
import { reduceBlocks } from "../prune/reduce.ts";
import { createSelectionScratch } from "../prune/threshold.ts";
import { at, type JsonObject } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import { refusalOf } from "./pruning-config.ts";
import type { RowChecks } from "./verdict.ts";

export const UNIT_CHECKS: RowChecks = {
  reduce_score: reduceScoreRow,
  least_nm: leastMembersRow,
  nm_counts: groupCountsRow,
  single_mask: singleMaskRow,
  pattern_lock: patternLockRow,
  adjust_ratio: adjustRatioRow,
  progressive_global: progressiveMaskRow,
};

const SCORE_TOLERANCE = { relative: 1e-5 };
/** The decision that prunes every block with a score of 0 and keeps all others. */
const AT_ZERO = { threshold: 0, ties: Number.POSITIVE_INFINITY };
const SINGLE_WEIGHTS: Pattern = { kind: "block", height: 1, width: 1 };

function tensorAt(row: JsonObject, key: string) {
  const tensor = at.object(row, key);
  const shape = at.numbers(tensor, "shape");
  const data = at.numbers(tensor, "data");
  if (elementCount(shape) !== data.length)
    throw new Error(
      `${key}: expected ${elementCount(shape)} values in [${shape}], got ${data.length}`,
    );
  return { shape, data };
}

function patternAt(row: JsonObject): Pattern {
  const pattern = parsePattern(at.text(row, "pattern"));
  if (pattern === undefined) throw new Error("pattern: expected one");
  return pattern;
}

function groupAt(row: JsonObject): GroupPattern {
  const pattern = patternAt(row);
  if (pattern.kind !== "group") throw new Error("pattern: expected N:M");
  return pattern;
}

function reduceScoreRow(row: JsonObject): Difference | undefined {
  const score = tensorAt(row, "score");
  const layout = layOut(patternAt(row), score);
  if (Array.isArray(row.invalid) && row.invalid.length > 0)
    return compare("divides", false, layout.divides);
  const reduced = reduceBlocks(
    layout,
    at.text(row, "reduce") as ScoreReduction,
    Float32Array.from(score.data),
  );
  const size = [layout.blockHeight, layout.blockWidth];
  return (
    compare("block size", at.numbers(row, "block_size"), size) ??
    compare("score", tensorAt(row, "reduced").data, reduced, SCORE_TOLERANCE) ??
    ("full_mask" in row ? expandedMaskDifference(row, layout) : undefined)
  );
}

/** Expands a block mask to one entry per element, and compares the result. */
function expandedMaskDifference(row: JsonObject, layout: BlockLayout): Difference | undefined {
  const expected = tensorAt(row, "full_mask").data;
  const blocks = Float32Array.from(tensorAt(row, "reduced_mask").data);
  const mask = new Uint8Array(expected.length);
  writeBlockMaskInto(layout, blocks, AT_ZERO, mask);
  return compare("mask", expected, mask);
}

/** Returns a mask in the order of INC's matrix [out, in], whose columns are ordered by position, then by channel. */
function inMatrixOrder(layout: BlockLayout, mask: Uint8Array): number[] {
  const matrix: number[] = [];
  for (let row = 0; row < layout.rows; row++)
    for (let position = 0; position < layout.positions; position++)
      for (let channel = 0; channel < layout.channels; channel++)
        matrix.push(mask[row * layout.columns + channel * layout.positions + position] as number);
  return matrix;
}

/** Compares the mask that prunes the N lowest of every M scores, and the group scores under all reductions. */
function leastMembersRow(row: JsonObject): Difference | undefined {
  const pattern = groupAt(row);
  const score = tensorAt(row, "score");
  const layout = layOut(pattern, score);
  const elements = Float32Array.from(score.data);
  const groups = new Float32Array(blockCount(layout));
  const groupMask = new Uint8Array(elements.length);
  const wrongScore = firstOf(["mean", "sum", "max"] as const, (reduction) => {
    groupScoresInto(
      pattern,
      layout,
      reduction,
      false,
      true,
      elements,
      groups,
      groupMask,
      new Float32Array(pattern.of),
    );
    const { data } = tensorAt(row, `reduced_${reduction}`);
    return compare(`group score (${reduction})`, data, groups, SCORE_TOLERANCE);
  });
  if (wrongScore !== undefined) return wrongScore;
  const mask = new Uint8Array(elements.length);
  const all = { threshold: Number.POSITIVE_INFINITY, ties: 0 };
  writeBlockMaskInto(layout, groups, all, mask, undefined, groupMask);
  return (
    compare("mask", tensorAt(row, "mask_2d").data, inMatrixOrder(layout, mask)) ??
    countDifference(at.object(row, "sparsity_of_mask"), pattern, layout, mask)
  );
}

/** Compares the sparsity, the number of groups that count as pruned, and the number of all groups. */
function countDifference(
  expected: JsonObject,
  pattern: GroupPattern,
  layout: BlockLayout,
  mask: Uint8Array,
): Difference | undefined {
  const { pruned, total } = countBlocks(layout, mask, incKeptLimit(pattern));
  const ratio = ((pruned / total) * pattern.prune) / pattern.of;
  const stated = ["sparsity_ratio", "zero_cnt", "total_cnt"].map((key) => at.number(expected, key));
  return compare("[ratio, pruned groups, groups]", stated, [ratio, pruned, total]);
}

function groupCountsRow(row: JsonObject): Difference | undefined {
  const pattern = groupAt(row);
  const { shape, data } = tensorAt(row, "mask");
  const layout = layOut(pattern, { shape });
  const mask = Uint8Array.from(data);
  const flags = new Uint8Array(blockCount(layout));
  markPrunedInto(layout, mask, incKeptLimit(pattern), flags);
  const kept = flags.map((flag) => 1 - flag);
  return (
    compare("group kept", tensorAt(row, "group_kept(nonzeros>N)").data, kept) ??
    countDifference(at.object(row, "get_sparsity_ratio"), pattern, layout, mask)
  );
}

function singleMaskRow(row: JsonObject): Difference | undefined {
  const { shape, data } = tensorAt(row, "score");
  const scores = Float32Array.from(data);
  const ratio = at.number(row, "ratio");
  const decision = thresholdForRatio(scores, ratio, createSelectionScratch());
  const mask = new Uint8Array(scores.length);
  writeBlockMaskInto(layOut(SINGLE_WEIGHTS, { shape }), scores, decision, mask);
  return (
    compare("k", at.number(row, "k"), Math.trunc(scores.length * ratio)) ??
    compare("mask", tensorAt(row, "mask").data, mask)
  );
}

/** Compares the pattern-lock mask, which is computed from the zeros that a weight already has. */
function patternLockRow(row: JsonObject): Difference | undefined {
  const pattern = patternAt(row);
  const { shape, data } = tensorAt(row, "mask");
  const rows = row.weight as readonly (readonly number[])[];
  const mask = new Uint8Array(data.length);
  incLockMaskInto(pattern, layOut(pattern, { shape }), Float32Array.from(rows.flat()), mask);
  return compare("mask", data, mask);
}

function adjustRatioRow(row: JsonObject): Difference | undefined {
  const layers = at.object(row, "layers") as Readonly<Record<string, readonly [number, number]>>;
  const current: BlockCount[] = Object.values(layers).map(([pruned, total]) => ({ pruned, total }));
  const index = Object.keys(layers).indexOf(at.text(row, "layer"));
  const counts = { pruned: at.number(row, "new_zero"), total: at.number(row, "new_total") };
  const { adjust, ratio } = adjustRatio(current, index, counts, {
    max: at.number(row, "max"),
    min: at.number(row, "min"),
    final: at.number(row, "final_target"),
  });
  const stated = [row.need_adjust as boolean, at.number(row, "ratio")];
  return compare("[adjust, ratio]", stated, [adjust, ratio]);
}

/** Compares masks that are interpolated over all layers together, and masks that are interpolated layer by layer. */
function progressiveMaskRow(row: JsonObject): Difference | undefined {
  const layers = Object.keys(at.object(row, "pre")).map((name): ProgressiveLayer => {
    const before = tensorAt(at.object(row, "pre"), name);
    return {
      layout: layOut(SINGLE_WEIGHTS, before),
      before: Uint8Array.from(before.data),
      after: Uint8Array.from(tensorAt(at.object(row, "cur"), name).data),
      scores: Float32Array.from(tensorAt(at.object(row, "scores"), name).data),
      out: new Uint8Array(before.data.length),
    };
  });
  const part = at.number(row, "progressive_step");
  const parts = at.number(row, "progressive_steps");
  /** Interpolates and compares the masks of each set of layers. If INC failed, requires a refusal instead. */
  const compareScope = (
    scope: string,
    sets: readonly (readonly ProgressiveLayer[])[],
  ): Difference | undefined => {
    const expected = at.object(row, scope);
    const refusal = refusalOf(() => {
      for (const set of sets) incInterpolateMasksInto(set, part, parts, createSelectionScratch());
    });
    if ("error" in expected)
      return refusal ? undefined : differenceAt(`${scope} outcome`, "a refusal", "none");
    if (refusal !== undefined) throw refusal;
    return firstOf(Object.keys(expected).entries(), ([i, layer]) =>
      compare(
        { layer, quantity: `${scope} mask` },
        tensorAt(expected, layer).data,
        layers[i]?.out ?? [],
      ),
    );
  };
  const alone = layers.map((layer) => [layer]);
  return compareScope("global", [layers]) ?? compareScope("local", alone);
}
