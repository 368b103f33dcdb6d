/** Rows of pattern_units.json: the single functions behind masks. */
import { adjustRatio, thresholdForRatio } from "../prune/budget.ts";
import type { ScoreReduction } from "../prune/config.ts";
import { type BlockCount, countBlocks, incKeptLimit, markPrunedInto } from "../prune/count.ts";
import { createGroupScratch, type GroupPattern, groupScoresInto } from "../prune/group.ts";
import { elementCount } from "../prune/layer.ts";
import { incLockMaskInto } from "../prune/lock.ts";
import { writeBlockMaskInto, writeGroupMaskInto } from "../prune/mask.ts";
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
import { type JsonObject, numberAt, numbersAt, objectAt, textAt } from "./case-files.ts";
import {
  type Difference,
  differenceAt,
  exactDifference,
  firstOf,
  tensorDifference,
  valueDifference,
} from "./difference.ts";
import { refusalOf } from "./pruning-config.ts";

/** Scores, relative to the largest. */
const SCORE_TOLERANCE = { relative: 1e-5 };
/** Prunes all that scores 0, and nothing above. */
const AT_ZERO = { threshold: 0, ties: Number.POSITIVE_INFINITY };
const SINGLE_WEIGHTS: Pattern = { kind: "block", height: 1, width: 1 };

/** A tensor of a row. */
interface RowTensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

function tensorAt(row: JsonObject, key: string): RowTensor {
  const tensor = objectAt(row, key);
  const shape = numbersAt(tensor, "shape");
  const data = numbersAt(tensor, "data");
  if (elementCount(shape) !== data.length)
    throw new Error(
      `${key}: expected ${elementCount(shape)} values in [${shape}], got ${data.length}`,
    );
  return { shape, data };
}

function patternAt(row: JsonObject): Pattern {
  const pattern = parsePattern(textAt(row, "pattern"));
  if (pattern === undefined) throw new Error("pattern: expected one");
  return pattern;
}

function groupAt(row: JsonObject): GroupPattern {
  const pattern = patternAt(row);
  if (pattern.kind !== "group") throw new Error("pattern: expected N:M");
  return pattern;
}

/** Block scores of given element scores. */
export function reduceScoreRow(row: JsonObject): Difference | undefined {
  const score = tensorAt(row, "score");
  const layout = layOut(patternAt(row), score);
  if (Array.isArray(row.invalid) && row.invalid.length > 0)
    return valueDifference("divides", false, layout.divides);
  const reduced = reduceBlocks(
    layout,
    textAt(row, "reduce") as ScoreReduction,
    Float32Array.from(score.data),
  );
  const size = [layout.blockHeight, layout.blockWidth];
  return (
    exactDifference("block size", numbersAt(row, "block_size"), size) ??
    tensorDifference("score", tensorAt(row, "reduced").data, reduced, SCORE_TOLERANCE) ??
    ("full_mask" in row ? expandedMaskDifference(row, layout) : undefined)
  );
}

/** The mask of elements of a mask of blocks. */
function expandedMaskDifference(row: JsonObject, layout: BlockLayout): Difference | undefined {
  const expected = tensorAt(row, "full_mask").data;
  const blocks = Float32Array.from(tensorAt(row, "reduced_mask").data);
  const mask = new Uint8Array(expected.length);
  writeBlockMaskInto(layout, blocks, AT_ZERO, mask);
  return exactDifference("mask", expected, mask);
}

/** A mask in matrix order, as INC computes it before it goes back to the weight's shape. */
function inMatrixOrder(layout: BlockLayout, mask: Uint8Array): number[] {
  const matrix: number[] = [];
  for (let row = 0; row < layout.rows; row++)
    for (let position = 0; position < layout.positions; position++)
      for (let channel = 0; channel < layout.channels; channel++)
        matrix.push(mask[row * layout.columns + channel * layout.positions + position] as number);
  return matrix;
}

/** The lowest N of every M, and the groups' scores under all reductions. */
export function leastMembersRow(row: JsonObject): Difference | undefined {
  const pattern = groupAt(row);
  const score = tensorAt(row, "score");
  const layout = layOut(pattern, score);
  const elements = Float32Array.from(score.data);
  const scratch = createGroupScratch(pattern.of);
  const groups = new Float32Array(blockCount(layout));
  const losses = new Uint16Array(groups.length);
  const wrongScore = firstOf(["mean", "sum", "max"] as const, (reduction) => {
    groupScoresInto(
      pattern,
      layout,
      reduction,
      false,
      pattern.of,
      elements,
      groups,
      losses,
      scratch,
    );
    const { data } = tensorAt(row, `reduced_${reduction}`);
    return tensorDifference(`group score (${reduction})`, data, groups, SCORE_TOLERANCE);
  });
  if (wrongScore !== undefined) return wrongScore;
  const mask = new Uint8Array(elements.length);
  const all = { threshold: Number.POSITIVE_INFINITY, ties: 0 };
  writeGroupMaskInto(pattern, layout, groups, elements, all, pattern.of, null, mask, scratch);
  return (
    exactDifference("mask", tensorAt(row, "mask_2d").data, inMatrixOrder(layout, mask)) ??
    countDifference(objectAt(row, "sparsity_of_mask"), pattern, layout, mask)
  );
}

/** Compares the groups that count as pruned, and their ratio. */
function countDifference(
  expected: JsonObject,
  pattern: GroupPattern,
  layout: BlockLayout,
  mask: Uint8Array,
): Difference | undefined {
  const { pruned, total } = countBlocks(layout, mask, incKeptLimit(pattern));
  const ratio = ((pruned / total) * pattern.prune) / pattern.of;
  const stated = ["sparsity_ratio", "zero_cnt", "total_cnt"].map((key) => numberAt(expected, key));
  return exactDifference("[ratio, pruned groups, groups]", stated, [ratio, pruned, total]);
}

/** Which groups count as pruned. */
export function groupCountsRow(row: JsonObject): Difference | undefined {
  const pattern = groupAt(row);
  const { shape, data } = tensorAt(row, "mask");
  const layout = layOut(pattern, { shape });
  const mask = Uint8Array.from(data);
  const flags = new Uint8Array(blockCount(layout));
  markPrunedInto(layout, mask, incKeptLimit(pattern), flags);
  const kept = flags.map((flag) => 1 - flag);
  return (
    exactDifference("group kept", tensorAt(row, "group_kept(nonzeros>N)").data, kept) ??
    countDifference(objectAt(row, "get_sparsity_ratio"), pattern, layout, mask)
  );
}

/** One layer's mask at a given ratio. */
export function singleMaskRow(row: JsonObject): Difference | undefined {
  const { shape, data } = tensorAt(row, "score");
  const scores = Float32Array.from(data);
  const ratio = numberAt(row, "ratio");
  const decision = thresholdForRatio(scores, ratio, createSelectionScratch());
  const mask = new Uint8Array(scores.length);
  writeBlockMaskInto(layOut(SINGLE_WEIGHTS, { shape }), scores, decision, mask);
  return (
    valueDifference("k", numberAt(row, "k"), Math.trunc(scores.length * ratio)) ??
    exactDifference("mask", tensorAt(row, "mask").data, mask)
  );
}

/** The mask of a weight's present zeros. */
export function patternLockRow(row: JsonObject): Difference | undefined {
  const pattern = patternAt(row);
  const { shape, data } = tensorAt(row, "mask");
  const rows = row.weight as readonly (readonly number[])[];
  const mask = new Uint8Array(data.length);
  incLockMaskInto(pattern, layOut(pattern, { shape }), Float32Array.from(rows.flat()), mask);
  return exactDifference("mask", data, mask);
}

/** Whether and how a layer's share is adjusted. */
export function adjustRatioRow(row: JsonObject): Difference | undefined {
  const layers = objectAt(row, "layers") as Readonly<Record<string, readonly [number, number]>>;
  const current: BlockCount[] = Object.values(layers).map(([pruned, total]) => ({ pruned, total }));
  const index = Object.keys(layers).indexOf(textAt(row, "layer"));
  const counts = { pruned: numberAt(row, "new_zero"), total: numberAt(row, "new_total") };
  const { adjust, ratio } = adjustRatio(current, index, counts, {
    max: numberAt(row, "max"),
    min: numberAt(row, "min"),
    final: numberAt(row, "final_target"),
  });
  const stated = [row.need_adjust as boolean, numberAt(row, "ratio")];
  return exactDifference<boolean | number>("[adjust, ratio]", stated, [adjust, ratio]);
}

/** Interpolated masks: over all layers together, and each layer alone. */
export function progressiveMaskRow(row: JsonObject): Difference | undefined {
  const layers = Object.keys(objectAt(row, "pre")).map((name): ProgressiveLayer => {
    const before = tensorAt(objectAt(row, "pre"), name);
    return {
      layout: layOut(SINGLE_WEIGHTS, before),
      before: Uint8Array.from(before.data),
      after: Uint8Array.from(tensorAt(objectAt(row, "cur"), name).data),
      scores: Float32Array.from(tensorAt(objectAt(row, "scores"), name).data),
      out: new Uint8Array(before.data.length),
    };
  });
  const part = numberAt(row, "progressive_step");
  const parts = numberAt(row, "progressive_steps");
  /** Interpolates the masks of each set of layers; compares them, or the refusal with INC's error. */
  const compare = (
    scope: string,
    sets: readonly (readonly ProgressiveLayer[])[],
  ): Difference | undefined => {
    const expected = objectAt(row, scope);
    const refusal = refusalOf(() => {
      for (const set of sets) incInterpolateMasksInto(set, part, parts, createSelectionScratch());
    });
    if ("error" in expected)
      return refusal ? undefined : differenceAt(`${scope} outcome`, "a refusal", "none");
    if (refusal !== undefined) throw refusal;
    return firstOf(Object.keys(expected).entries(), ([i, layer]) =>
      exactDifference(
        { layer, quantity: `${scope} mask` },
        tensorAt(expected, layer).data,
        layers[i]?.out ?? [],
      ),
    );
  };
  const alone = layers.map((layer) => [layer]);
  return compare("global", [layers]) ?? compare("local", alone);
}
