/**
 * Criteria: formulas for the importance of an element or a block. The table `CRITERIA` has one record per criterion,
 * which all other code reads. The formulas are INC's (`criteria.py`). All arithmetic is float32, as in PyTorch.
 */

/** The criteria that score single elements of a weight by their value, their gradient, or both. */
export type ElementCriterion = "magnitude" | "gradient" | "snip" | "snip_momentum";

/** The criteria that score blocks by the gradients of their mask entries. */
export type BlockCriterion = "block_mask" | "retrain_free";

/** How the importance of elements or blocks is measured. */
export type Criterion = ElementCriterion | BlockCriterion;

/** A criterion that scores elements. The scores of a block's elements are then reduced to one score. */
export interface ElementRule {
  readonly scores: "elements";
  /** Whether the criterion reads gradients. If not, scores are computed at prune steps, from the current weights. */
  readonly needsGradient: boolean;
  /**
   * The factor by which the earlier score is multiplied before a step's score is added to it. `null`: a step's score
   * replaces the earlier one.
   */
  readonly decay: number | null;
  /**
   * The input from which `PruningKernels.updateScoresInto` computes the same scores: the weight, the gradient or their
   * product. `null`: the kernel cannot compute them.
   */
  readonly loop: "weight" | "gradient" | "product" | null;
  /** Computes a step's score, which is rounded to float32 when it is stored. */
  score(weight: number, gradient: number): number;
}

/** A criterion that scores a block by the gradient of its mask entry. */
interface BlockRule {
  readonly scores: "blocks";
  /** The factor by which the earlier score is multiplied before a step's score is added to it. */
  readonly decay: number;
  /**
   * Whether the criterion is retrain-free: it collects the gradients of all steps, rearranges each mask accordingly,
   * and leaves the weights unchanged until the end step. Only for patterns of whole channels.
   */
  readonly rearranges: boolean;
  /** Computes a step's score from the gradient of a mask entry. */
  score(gradient: number): number;
}

const snip: ElementRule["score"] = (weight, gradient) => Math.abs(weight * gradient);

/** The rules of all criteria, by name. */
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

/** Whether a criterion scores blocks by the gradients of their mask entries. */
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

/** Whether a criterion rearranges masks: uses the gradients of all steps to choose the pruned blocks again. */
export function rearrangesMasks(criterion: Criterion): boolean {
  const rule = CRITERIA[criterion];
  return rule.scores === "blocks" && rule.rearranges;
}

/**
 * Whether a criterion adds the element scores of every step to earlier scores. The element scores are then reduced to
 * block scores before they are stored. INC reduces them at every step, even for frozen layers and for layers that do
 * not divide evenly into blocks.
 */
export function accumulatesElements(criterion: Criterion): boolean {
  const { scores, decay } = CRITERIA[criterion];
  return scores === "elements" && decay !== null;
}
