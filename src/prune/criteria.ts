/**
 * Criteria: how important an element or a block is. The table has one record each, which all other code reads.
 * The formulas are INC's (`criteria.py`). All arithmetic is float32, as in PyTorch.
 */

/** Criteria that score elements by their weights and gradients. */
export type ElementCriterion = "magnitude" | "gradient" | "snip" | "snip_momentum";

/** Criteria that score blocks by the gradients of their masks. */
export type BlockCriterion = "block_mask" | "retrain_free";

/** How importance is measured. */
export type Criterion = ElementCriterion | BlockCriterion;

/** A criterion that scores elements. The score of a block reduces the scores of its elements. */
export interface ElementRule {
  readonly scores: "elements";
  /** Whether it reads gradients. If not, scores are computed at prune steps, from the current weights. */
  readonly needsGradient: boolean;
  /** Factor of the earlier score, to which a step's score is added. `null`: a step's score replaces it. */
  readonly decay: number | null;
  /** The operand for which `PruningKernels.updateScoresInto` computes the same scores. `null`: no operand. */
  readonly loop: "weight" | "gradient" | "product" | null;
  /** A step's score, rounded to float32 when it is stored. */
  score(weight: number, gradient: number): number;
}

/** A criterion that scores a block by the gradient of its mask entry. */
interface BlockRule {
  readonly scores: "blocks";
  /** Factor of the earlier score, to which a step's score is added. */
  readonly decay: number;
  /**
   * Retrain-free: collects the gradients, rearranges each mask by them, and leaves the weights alone until the end
   * step. Only for patterns of whole channels.
   */
  readonly rearranges: boolean;
  /** A step's score from the gradient of the mask entry. */
  score(gradient: number): number;
}

const snip: ElementRule["score"] = (weight, gradient) => Math.abs(weight * gradient);

/** Every criterion by its name. */
export const CRITERIA: Readonly<
  Record<ElementCriterion, ElementRule> & Record<BlockCriterion, BlockRule>
> = {
  magnitude: {
    scores: "elements",
    needsGradient: false,
    decay: null,
    loop: "weight",
    score: Math.abs,
  },
  gradient: {
    scores: "elements",
    needsGradient: true,
    decay: null,
    loop: "gradient",
    score: (_, gradient) => Math.abs(gradient),
  },
  snip: { scores: "elements", needsGradient: true, decay: null, loop: "product", score: snip },
  snip_momentum: {
    scores: "elements",
    needsGradient: true,
    decay: 0.9,
    loop: "product",
    score: snip,
  },
  block_mask: { scores: "blocks", decay: 0.9, rearranges: false, score: Math.abs },
  retrain_free: { scores: "blocks", decay: 1, rearranges: true, score: (x) => x * x },
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
  const rule = CRITERIA[criterion];
  return rule.scores === "blocks" || rule.needsGradient;
}

/** Whether a criterion rearranges masks by the collected gradients. */
export function rearrangesMasks(criterion: Criterion): boolean {
  const rule = CRITERIA[criterion];
  return rule.scores === "blocks" && rule.rearranges;
}

/**
 * Whether element scores are reduced to block scores before they are stored, because later scores are added to them.
 * INC then reduces them at every step, even for frozen layers and for layers that the pattern does not divide.
 */
export function accumulatesElements(criterion: Criterion): boolean {
  const { scores, decay } = CRITERIA[criterion];
  return scores === "elements" && decay !== null;
}
