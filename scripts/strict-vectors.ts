/**
 * Makes the `strict` vectors in test/golden/strict/ from the specification in src/reference/ and seeded weights. The
 * original system has no such profile.
 */
import { findTiedBlocks, findTiedElements } from "../src/conform/strict-ties.ts";
import type { StrictLayer, StrictVector, Tied } from "../src/conform/strict-vector.ts";
import { nextBelow, openStream } from "../src/core/random.ts";
import { type StoredTensor, tensorFromFloat32, writeSafetensors } from "../src/io/safetensors.ts";
import { type Pattern, parsePattern } from "../src/prune/pattern.ts";
import { blockScores, expandBlocks } from "../src/reference/blocks.ts";
import { exactMasks } from "../src/reference/budget.ts";
import { expandGroups, groupScores, keptWithinGroups } from "../src/reference/groups.ts";
import {
  inWeightOrder,
  type MaskMatrix,
  type Matrix,
  weightMatrix,
} from "../src/reference/matrix.ts";
import { elementScores } from "../src/reference/score.ts";
import { STRICT_PLANS, type StrictPlan } from "./strict-cases.ts";

const SEED = 2024;
/** The counter space of these draws, separate from those of training. */
const STREAM = 7001;
/** Weights are multiples of this. */
const UNIT = 1 / 64;
const MOST_ATTEMPTS = 2000;

/** A vector with its weights and matrices. */
interface Made extends StrictVector {
  readonly plan: StrictPlan;
  readonly attempt: number;
  readonly weights: readonly Float32Array[];
  readonly blocks: readonly number[];
  readonly scoreShapes: readonly (readonly number[])[];
  readonly tiedBlocks: Tied;
  readonly tiedElements: Tied;
}

/** Signed multiples of the unit up to the plan's levels; 0 levels mean a constant. */
function drawWeights(
  { layers, levels }: StrictPlan,
  index: number,
  attempt: number,
): Float32Array[] {
  const stream = openStream(SEED, STREAM + index, attempt);
  return layers.map(([, , shape]) =>
    Float32Array.from({ length: shape.reduce((product, extent) => product * extent, 1) }, () => {
      const size = levels === 0 ? 1 : nextBelow(stream, levels) + 1;
      return (nextBelow(stream, 2) === 0 ? 1 : -1) * size * UNIT;
    }),
  );
}

/** The number of blocks that a ratio of elements asks for. */
function countOf(pattern: Pattern, blocks: number, ratio: number): number {
  return Math.floor(blocks * ofBlocks(pattern, ratio) + 1e-9);
}

function ofBlocks(pattern: Pattern, ratio: number): number {
  return pattern.kind === "group" ? (ratio * pattern.of) / pattern.prune : ratio;
}

/** The masks of blocks or groups that the reference gives. */
function unitMasks(plan: StrictPlan, pattern: Pattern, scores: readonly Matrix[]): MaskMatrix[] {
  const ratio = ofBlocks(pattern, plan.target);
  const bounds = {
    least: ofBlocks(pattern, plan.min ?? 0),
    most: plan.max === undefined ? 1 : ofBlocks(pattern, plan.max),
  };
  const contenders = scores.map((matrix) => ({ scores: matrix, settled: null }));
  const budgets = plan.scope === "global" ? [contenders] : contenders.map((one) => [one]);
  return budgets.flatMap((budget) => exactMasks(budget, ratio, bounds));
}

/** Scores of blocks (elements for N:M), scores of the units to prune, and the masks of elements. */
function selectMasks(
  plan: StrictPlan,
  pattern: Pattern,
  weights: readonly Float32Array[],
): { scores: Matrix[]; units: Matrix[]; masks: Uint8Array[] } {
  const shapes = plan.layers.map(([, , shape]) => shape);
  const elements = weights.map((data, i) => {
    const matrix = weightMatrix(data, shapes[i] ?? []);
    return elementScores("magnitude", matrix, matrix);
  });
  const inOrder = (masks: readonly MaskMatrix[]): Uint8Array[] =>
    masks.map((mask, i) => inWeightOrder(mask, shapes[i] ?? []));
  if (pattern.kind === "group") {
    const { prune, of } = pattern;
    const kept = elements.map((matrix) => keptWithinGroups(matrix, prune, of, "strict"));
    const keptOf = (i: number): MaskMatrix => kept[i] as MaskMatrix;
    const units = elements.map((matrix, i) => groupScores(matrix, keptOf(i), of, "mean"));
    const masks = unitMasks(plan, pattern, units);
    return {
      scores: elements,
      units,
      masks: inOrder(masks.map((groups, i) => expandGroups(groups, keptOf(i), of))),
    };
  }
  const sizes = shapes.map(([rows = 1, channels = 1]): readonly [number, number] => [
    pattern.height === "channel" ? rows : pattern.height,
    pattern.width === "channel" ? channels : pattern.width,
  ]);
  const sizeOf = (i: number): readonly [number, number] => sizes[i] as readonly [number, number];
  const scores = elements.map((matrix, i) => blockScores(matrix, ...sizeOf(i), "mean"));
  const masks = unitMasks(plan, pattern, scores);
  return {
    scores,
    units: scores,
    masks: inOrder(masks.map((blocks, i) => expandBlocks(blocks, ...sizeOf(i)))),
  };
}

/** One vector from the weights of one attempt. */
function makeVector(plan: StrictPlan, index: number, attempt: number): Made {
  const pattern = parsePattern(plan.pattern);
  if (pattern === undefined) throw new Error(`${plan.slug}: expected a pattern`);
  const weights = drawWeights(plan, index, attempt);
  const { scores, units, masks } = selectMasks(plan, pattern, weights);
  const blocks = units.map(({ shape }) => (shape[0] ?? 0) * (shape[1] ?? 0));
  const most = pattern.kind === "group" ? pattern.prune / pattern.of : 1;
  const layers = plan.layers.map(
    ([name, , shape], i): StrictLayer => ({
      name,
      shape,
      scores: Float32Array.from(scores[i]?.data ?? []),
      fewest: countOf(pattern, blocks[i] ?? 0, Math.min(plan.min ?? 0, plan.target)),
      most: countOf(pattern, blocks[i] ?? 0, plan.max ?? most),
      mask: masks[i] ?? new Uint8Array(0),
    }),
  );
  const names = layers.map(({ name }) => name);
  const groups = plan.scope === "global" ? [names] : names.map((name) => [name]);
  const budgets = groups.map((members) => {
    const own = members.reduce((sum, name) => sum + (blocks[names.indexOf(name)] ?? 0), 0);
    return { layers: members, pruned: countOf(pattern, own, plan.target) };
  });
  const vector = { pattern, layers, budgets };
  const tiedBlocks = findTiedBlocks(vector);
  const tiedElements = findTiedElements(vector, tiedBlocks);
  const scoreShapes = scores.map(({ shape }) => [...shape]);
  return { ...vector, plan, attempt, weights, blocks, scoreShapes, tiedBlocks, tiedElements };
}

/** Whether the plan's bounds change the masks; true without bounds. */
function boundsBind(made: Made, index: number): boolean {
  const { min: _, max: __, ...unbounded } = made.plan;
  if (made.plan.min === undefined && made.plan.max === undefined) return true;
  const free = makeVector(unbounded, index, made.attempt);
  return made.layers.some(({ mask }, i) => mask.join() !== free.layers[i]?.mask.join());
}

/** The first attempt in which the bounds matter and the number of right masks is as planned. */
function firstFitting(plan: StrictPlan, index: number): Made {
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const made = makeVector(plan, index, attempt);
    const tied = made.tiedBlocks.size + made.tiedElements.size > 0;
    if (tied === (plan.result === "acceptable") && boundsBind(made, index)) return made;
  }
  throw new Error(
    `${plan.slug}: expected a ${plan.result} vector within ${MOST_ATTEMPTS} attempts`,
  );
}

function noteOf({ tiedBlocks, tiedElements }: Made): string {
  const count = (tied: Tied): number =>
    [...tied.values()].reduce((sum, { length }) => sum + length, 0);
  if (count(tiedBlocks) + count(tiedElements) === 0)
    return "One mask is right: no scores tie at the limit.";
  const parts = [
    ...(tiedBlocks.size > 0 ? [`${count(tiedBlocks)} blocks tie at the limit`] : []),
    ...(tiedElements.size > 0 ? [`${count(tiedElements)} elements tie within their groups`] : []),
  ];
  return `Several masks are right: ${parts.join(", and ")}. The canonical one takes the lowest flat index first.`;
}

/** The text of `case.json`. */
function describeVector(made: Made): string {
  const { plan, pattern, layers, budgets, blocks } = made;
  const most = pattern.kind === "group" ? pattern.prune / pattern.of : 1;
  const json = {
    kind: "strict",
    slug: plan.slug,
    description: plan.description,
    made_by: "the plain specification in src/reference, by scripts/build-vectors.ts",
    seed: [SEED, STREAM + STRICT_PLANS.indexOf(plan), made.attempt],
    result: plan.result,
    note: noteOf(made),
    criterion: "magnitude",
    reduction: "mean",
    pattern: plan.pattern,
    scope: plan.scope,
    target_sparsity: plan.target,
    min_sparsity_ratio_per_op: plan.min ?? 0,
    max_sparsity_ratio_per_op: plan.max ?? most,
    layers: layers.map(({ name, shape, fewest, most: greatest }, i) => ({
      name,
      kind: plan.layers[i]?.[1],
      shape,
      blocks: blocks[i],
      fewest,
      most: greatest,
    })),
    budgets,
    tied_blocks: Object.fromEntries(made.tiedBlocks),
    tied_elements: Object.fromEntries(made.tiedElements),
  };
  // Lists of numbers and names on one line each.
  const text = JSON.stringify(json, null, 1).replace(
    /\[\s+([^[\]{}]*?)\s+\]/g,
    (_, list: string) => {
      return `[${list.replaceAll(/\s+/g, " ")}]`;
    },
  );
  return `${text}\n`;
}

/** The bytes of `tensors.safetensors`. */
function tensorsOf({ layers, weights, scoreShapes }: Made): Uint8Array {
  const tensors = layers.flatMap(({ name, shape, scores, mask }, i): [string, StoredTensor][] => [
    [`w/${name}`, tensorFromFloat32("F32", shape, weights[i] ?? new Float32Array(0))],
    [`score/${name}`, tensorFromFloat32("F32", scoreShapes[i] ?? [], scores)],
    [`mask/${name}`, { dtype: "U8", shape, bytes: mask }],
  ]);
  return writeSafetensors(new Map(tensors));
}

/** Every file of the family, by its path below the family's folder. */
export function strictFiles(): ReadonlyMap<string, Uint8Array> {
  const files = STRICT_PLANS.flatMap((plan, index): [string, Uint8Array][] => {
    const made = firstFitting(plan, index);
    return [
      [`${plan.slug}/case.json`, new TextEncoder().encode(describeVector(made))],
      [`${plan.slug}/tensors.safetensors`, tensorsOf(made)],
    ];
  });
  return new Map(files);
}
