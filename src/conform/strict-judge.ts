/** Judges masks by the rules of the `strict` profile. If scores tie, several masks can be right. */
import { compare, type Difference, firstOf } from "./difference.ts";
import { checkMasks, checkVector } from "./strict-arguments.ts";
import {
  lowestOf,
  prunedElements,
  prunedUnits,
  type StrictBudget,
  type StrictLayer,
  type StrictVector,
  type Unit,
  unitsOf,
} from "./strict-vector.ts";
import type { Status } from "./verdict.ts";

/** The verdict of {@link judgeStrictMasks} on a set of masks. */
export interface Judgement {
  /**
   * `passed` for the canonical masks; `acceptable` for masks that only break ties differently; `failed` for masks that
   * violate a rule.
   */
  readonly status: Status;
  /** The violated rule, or the reason why masks other than the canonical ones are right. */
  readonly note?: string;
  readonly difference?: Difference;
}

type Masks = ReadonlyMap<string, ArrayLike<number>>;

/** Checks a mask's length, values, and blocks or groups. Returns the first problem. */
function brokenForm(
  vector: StrictVector,
  layer: StrictLayer,
  mask: ArrayLike<number> | undefined,
): string | undefined {
  const { name } = layer;
  if (mask === undefined) return `${name}: expected a mask, got none`;
  if (mask.length !== layer.mask.length)
    return `${name}: expected ${layer.mask.length} elements, got ${mask.length}`;
  const values = Array.from(mask);
  const odd = values.findIndex((value) => value !== 0 && value !== 1);
  if (odd >= 0) return `${name}: expected 0 or 1 at ${odd}, got ${values[odd]}`;
  return firstOf(unitsOf(vector, layer).entries(), ([index, unit]) => {
    const problem = brokenUnit(vector, layer, mask, unit);
    return problem && `${name}, block ${index}: ${problem}`;
  });
}

/** Checks that a block is pruned or kept as a whole, and that a group loses either its N lowest scores or none. */
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

/** Checks the number of blocks that are pruned for a budget, and their scores. Returns the first problem. */
function brokenBudget(
  vector: StrictVector,
  budget: StrictBudget,
  masks: Masks,
): string | undefined {
  const layers = vector.layers.filter(({ name }) => budget.layers.includes(name));
  const names = budget.layers.join(", ");
  const pruned = layers.map((layer) => prunedUnits(vector, layer, masks.get(layer.name) ?? []));
  const count = pruned.flat().length;
  if (count !== budget.pruned)
    return `${names}: expected ${budget.pruned} pruned blocks, got ${count}`;
  for (const [i, { name, fewest, most }] of layers.entries()) {
    const own = pruned[i]?.length ?? 0;
    if (own < fewest || own > most)
      return `${name}: expected ${fewest} to ${most} pruned blocks, got ${own}`;
  }
  const scores = (units: readonly Unit[]): readonly number[] =>
    lowestOf(
      units.map(({ score }) => score),
      units.length,
    );
  const canonical = layers.flatMap((layer) => prunedUnits(vector, layer, layer.mask));
  const wrong = compare("score", scores(canonical), scores(pruned.flat()));
  if (wrong === undefined) return undefined;
  const rank = `pruned score ${(wrong.index ?? 0) + 1} of ${count}, in ascending order`;
  return `${names}, ${rank}: expected ${wrong.expected}, got ${wrong.got}`;
}

function brokenRule(vector: StrictVector, masks: Masks): string | undefined {
  return (
    firstOf(vector.layers, (layer) => brokenForm(vector, layer, masks.get(layer.name))) ??
    firstOf(vector.budgets, (budget) => brokenBudget(vector, budget, masks))
  );
}

/**
 * Judges one mask per layer (1 = kept, in the memory order of the weight). Masks that respect the bounds and the
 * budgets are right if and only if they prune the same scores as the canonical masks, because some order of the tied
 * blocks then leads to them. Such masks are the minimum-weight bases of a matroid.
 *
 * @example
 * ```ts
 * import { judgeStrictMasks, type StrictVector } from "espalier/reference";
 *
 * const vector: StrictVector = {
 *   pattern: { kind: "block", height: 1, width: 1 },
 *   layers: [{ name: "fc", shape: [1, 4], scores: Float32Array.of(3, 1, 3, 9), fewest: 0, most: 4,
 *     mask: Uint8Array.of(0, 0, 1, 1) }],
 *   budgets: [{ layers: ["fc"], pruned: 2 }],
 * };
 * const judge = (...mask: number[]) => judgeStrictMasks(vector, new Map([["fc", mask]])).status;
 * if (judge(0, 0, 1, 1) !== "passed") throw new Error("expected the canonical mask to pass");
 * if (judge(1, 0, 0, 1) !== "acceptable") throw new Error("expected the other tied block to do");
 * if (judge(1, 0, 1, 0) !== "failed") throw new Error("expected the highest score to be kept");
 * ```
 */
export function judgeStrictMasks(vector: StrictVector, masks: Masks): Judgement {
  checkVector(vector);
  checkMasks(masks);
  const difference = firstOf(vector.layers, ({ name, mask }) =>
    compare({ layer: name, quantity: "mask" }, mask, masks.get(name) ?? []),
  );
  if (difference === undefined) return { status: "passed" };
  const broken = brokenRule(vector, masks);
  if (broken !== undefined) return { status: "failed", note: broken, difference };
  const note = "scores tie where the budget ends, and the ties are broken otherwise";
  return { status: "acceptable", note, difference };
}
