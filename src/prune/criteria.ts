/**
 * Criteria: how important an element or a block is. One record each; everything else reads this table.
 * Formulas are INC's (`criteria.py`); all arithmetic is float32, as PyTorch's.
 */

/** Criteria that score elements by their weights and gradients. */
export type ElementCriterion = "magnitude" | "gradient" | "snip" | "snip_momentum";

/** Criteria that score blocks by the gradients of their masks. */
export type BlockCriterion = "block_mask" | "retrain_free";

/** How importance is measured. */
export type Criterion = ElementCriterion | BlockCriterion;

/** A criterion that scores elements; a block's score reduces those of its elements. */
export interface ElementRule {
  readonly scores: "elements";
  /** Whether it reads gradients. If not, scores are made at prune steps, from the weights of that moment. */
  readonly needsGradient: boolean;
  /** Multiplies the earlier score before a step's score is added. `null`: a step's score replaces it. */
  readonly decay: number | null;
  /** The loop of `PruningKernels` that computes the same: it sums |weight|, |gradient| or |weight x gradient|. */
  readonly loop: "weight" | "gradient" | "product" | null;
  /** Writes the scores of `count` elements from `start` to `out[0..count)`. */
  scoreInto(
    weight: Float32Array,
    gradient: Float32Array,
    start: number,
    count: number,
    out: Float32Array,
  ): void;
}

/** A criterion that scores a block by the gradient of its mask entry. */
interface BlockRule {
  readonly scores: "blocks";
  readonly needsGradient: true;
  /** Multiplies the earlier score before a step's score is added. */
  readonly decay: number;
  /**
   * Retrain-free: collects the gradients, rearranges each mask by them, and leaves weights alone until the end
   * step. Takes patterns of whole channels only.
   */
  readonly rearranges: boolean;
  /** A step's score from the gradient of the mask entry. */
  score(gradient: number): number;
}

const snipInto: ElementRule["scoreInto"] = (weight, gradient, start, count, out) => {
  for (let i = 0; i < count; i++) out[i] = Math.abs(weight[start + i] * gradient[start + i]);
};

/** Every criterion by its name. */
export const CRITERIA: Readonly<
  Record<ElementCriterion, ElementRule> & Record<BlockCriterion, BlockRule>
> = {
  magnitude: {
    scores: "elements",
    needsGradient: false,
    decay: null,
    loop: "weight",
    scoreInto(weight, _, start, count, out) {
      for (let i = 0; i < count; i++) out[i] = Math.abs(weight[start + i]);
    },
  },
  gradient: {
    scores: "elements",
    needsGradient: true,
    decay: null,
    loop: "gradient",
    scoreInto(_, gradient, start, count, out) {
      for (let i = 0; i < count; i++) out[i] = Math.abs(gradient[start + i]);
    },
  },
  snip: {
    scores: "elements",
    needsGradient: true,
    decay: null,
    loop: "product",
    scoreInto: snipInto,
  },
  snip_momentum: {
    scores: "elements",
    needsGradient: true,
    decay: 0.9,
    loop: "product",
    scoreInto: snipInto,
  },
  block_mask: {
    scores: "blocks",
    needsGradient: true,
    decay: 0.9,
    rearranges: false,
    score: Math.abs,
  },
  retrain_free: {
    scores: "blocks",
    needsGradient: true,
    decay: 1,
    rearranges: true,
    score: (gradient) => gradient * gradient,
  },
};

/** The names of all criteria. */
export const CRITERION_NAMES: readonly Criterion[] = /* @__PURE__ */ Object.keys(
  CRITERIA,
) as Criterion[];

/** Whether a criterion scores blocks by the gradients of their masks. */
export function scoresBlockMasks(criterion: Criterion): criterion is BlockCriterion {
  return CRITERIA[criterion].scores === "blocks";
}

/** The names of the criteria that score elements. */
export const ELEMENT_CRITERION_NAMES: readonly ElementCriterion[] =
  /* @__PURE__ */ CRITERION_NAMES.filter(
    (name): name is ElementCriterion => !scoresBlockMasks(name),
  );

/** Whether a criterion reads gradients. */
export function needsGradient(criterion: Criterion): boolean {
  return CRITERIA[criterion].needsGradient;
}

/** Whether pruned channels are chosen again by the gradients collected so far, with weights as they are. */
export function rearrangesMasks(criterion: Criterion): boolean {
  const rule = CRITERIA[criterion];
  return rule.scores === "blocks" && rule.rearranges;
}

/**
 * Whether scores of elements are reduced to blocks when they are stored, since later ones are added to them. INC
 * reduces them at every step then, even those of frozen layers and of layers that the pattern does not divide.
 */
export function accumulatesElements(criterion: Criterion): boolean {
  const { scores, decay } = CRITERIA[criterion];
  return scores === "elements" && decay !== null;
}
