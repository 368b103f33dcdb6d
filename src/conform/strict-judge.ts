/**
 * Judges masks under the `strict` rules: whole blocks, exactly N of every pruned group of M, exact budgets,
 * bounds per layer, and the lowest scores lost. Where scores tie at the limit several masks are right.
 */
import { type Difference, exactDifference } from "./difference.ts";
import { lowestOf, prunedElements, type Unit, unitsOf } from "./strict-units.ts";
import type { StrictBudget, StrictLayer, StrictVector } from "./strict-vector.ts";
import type { Status } from "./verdict.ts";

/** What the judge says of masks. */
export interface Judgement {
  /** `passed`: canonical. `acceptable`: right, with ties broken otherwise. `failed`: a rule is broken. */
  readonly status: Status;
  /** The rule that is broken, or why another mask than the canonical one is right. */
  readonly note?: string;
  /** The first element that is not as in the canonical masks. */
  readonly difference?: Difference;
}

/** A layer under judgement: the mask, and the units it takes. */
interface Judged {
  readonly layer: StrictLayer;
  readonly units: readonly Unit[];
  readonly taken: readonly Unit[];
}

type Masks = ReadonlyMap<string, ArrayLike<number>>;

/** What is wrong with a mask's form, if anything: its length, its values, its blocks or groups. */
function brokenForm(
  vector: StrictVector,
  layer: StrictLayer,
  units: readonly Unit[],
  mask: ArrayLike<number> | undefined,
): string | undefined {
  const { name } = layer;
  if (mask === undefined) return `${name}: expected a mask, got none`;
  if (mask.length !== layer.mask.length)
    return `${name}: expected ${layer.mask.length} elements, got ${mask.length}`;
  const values = Array.from(mask);
  const odd = values.findIndex((value) => value !== 0 && value !== 1);
  if (odd >= 0) return `${name}: expected 0 or 1 at ${odd}, got ${values[odd]}`;
  for (const [index, unit] of units.entries()) {
    const problem = brokenUnit(vector, layer, mask, unit);
    if (problem !== undefined) return `${name}, block ${index}: ${problem}`;
  }
  return undefined;
}

/** A block is pruned whole or not at all; a group loses the N lowest of its M scores, or nothing. */
function brokenUnit(
  { pattern }: StrictVector,
  layer: StrictLayer,
  mask: ArrayLike<number>,
  unit: Unit,
): string | undefined {
  const pruned = prunedElements(mask, unit);
  const whole = pattern.kind === "group" ? pattern.prune : unit.elements.length;
  if (pruned.length === 0) return undefined;
  if (pruned.length !== whole)
    return `expected 0 or ${whole} pruned elements, got ${pruned.length}`;
  if (pattern.kind === "block") return undefined;
  const scoreOf = (element: number): number => layer.scores[element] ?? Number.NaN;
  const lowest = lowestOf(unit.elements.map(scoreOf), whole).join(", ");
  const got = lowestOf(pruned.map(scoreOf), whole).join(", ");
  return got === lowest ? undefined : `expected to lose scores ${lowest}, got ${got}`;
}

/** What is wrong with how many blocks a budget takes, or with which. */
function brokenBudget(
  budget: StrictBudget,
  judged: readonly Judged[],
  canonical: readonly Judged[],
): string | undefined {
  const own = judged.filter(({ layer }) => budget.layers.includes(layer.name));
  const taken = own.flatMap((each) => each.taken);
  const names = budget.layers.join(", ");
  if (taken.length !== budget.pruned)
    return `${names}: expected ${budget.pruned} pruned blocks, got ${taken.length}`;
  for (const { layer, taken: lost } of own)
    if (lost.length < layer.fewest || lost.length > layer.most)
      return `${layer.name}: expected ${layer.fewest} to ${layer.most} pruned blocks, got ${lost.length}`;
  const right = canonical
    .filter(({ layer }) => budget.layers.includes(layer.name))
    .flatMap((each) => each.taken);
  const scores = (units: readonly Unit[]): readonly number[] =>
    lowestOf(
      units.map(({ score }) => score),
      units.length,
    );
  const wrong = exactDifference("score", scores(right), scores(taken));
  if (wrong === undefined) return undefined;
  const rank = `pruned score ${(wrong.index ?? 0) + 1} of ${taken.length}, in ascending order`;
  return `${names}, ${rank}: expected ${wrong.expected}, got ${wrong.got}`;
}

function judgedLayer(vector: StrictVector, layer: StrictLayer, mask: ArrayLike<number>): Judged {
  const units = unitsOf(vector, layer);
  const taken = units.filter((unit) => prunedElements(mask, unit).length > 0);
  return { layer, units, taken };
}

/** The first rule that masks break. */
function brokenRule(vector: StrictVector, masks: Masks): string | undefined {
  const canonical = vector.layers.map((layer) => judgedLayer(vector, layer, layer.mask));
  for (const { layer, units } of canonical) {
    const problem = brokenForm(vector, layer, units, masks.get(layer.name));
    if (problem !== undefined) return problem;
  }
  const judged = vector.layers.map((layer) =>
    judgedLayer(vector, layer, masks.get(layer.name) ?? []),
  );
  for (const budget of vector.budgets) {
    const problem = brokenBudget(budget, judged, canonical);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * Judges one mask per layer, 1 = kept, in the weights' own order.
 *
 * The masks with the canonical scores lost, within the bounds and the budget, are exactly those that some
 * order of tied blocks leads to: they are the lightest bases of one matroid, and all of those lose the same
 * scores.
 *
 * @example
 * ```ts
 * import { judgeStrictMasks, type StrictVector } from "espalier/reference";
 *
 * const vector: StrictVector = {
 *   pattern: { kind: "block", height: 1, width: 1 },
 *   layers: [
 *     {
 *       name: "fc",
 *       shape: [1, 4],
 *       scores: Float32Array.of(3, 1, 3, 9),
 *       fewest: 0,
 *       most: 4,
 *       mask: Uint8Array.of(0, 0, 1, 1),
 *     },
 *   ],
 *   budgets: [{ layers: ["fc"], pruned: 2 }],
 * };
 * const judge = (...mask: number[]) => judgeStrictMasks(vector, new Map([["fc", mask]])).status;
 * if (judge(0, 0, 1, 1) !== "passed") throw new Error("expected the canonical mask to pass");
 * if (judge(1, 0, 0, 1) !== "acceptable") throw new Error("expected the other tied block to do");
 * if (judge(1, 0, 1, 0) !== "failed") throw new Error("expected the highest score to be kept");
 * ```
 */
export function judgeStrictMasks(vector: StrictVector, masks: Masks): Judgement {
  let difference: Difference | undefined;
  for (const { name, mask } of vector.layers)
    difference ??= exactDifference({ layer: name, quantity: "mask" }, mask, masks.get(name) ?? []);
  if (difference === undefined) return { status: "passed" };
  const broken = brokenRule(vector, masks);
  if (broken !== undefined) return { status: "failed", note: broken, difference };
  const note = "scores tie where the budget ends, and the ties are broken otherwise";
  return { status: "acceptable", note, difference };
}
