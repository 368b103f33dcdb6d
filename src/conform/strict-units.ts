/** The units that a pattern prunes whole: blocks or groups, with their scores. */
import { columnOffset, layOut } from "../prune/pattern.ts";
import type { StrictLayer, StrictVector } from "./strict-vector.ts";

/** One block of a matrix of elements, or one group of N:M. */
export interface Unit {
  /** Its elements, as indices of the matrix [out, in]. */
  readonly elements: readonly number[];
  /** Where each element lies in the weight's own memory. */
  readonly places: readonly number[];
  /** The score that pruning the unit loses. */
  readonly score: number;
}

/** The lowest of some scores, in order. */
export function lowestOf(scores: readonly number[], count: number): readonly number[] {
  return [...scores].sort((a, b) => a - b).slice(0, count);
}

/** The layer's blocks or groups in order; a group's score is the sum of its N lowest scores over M. */
export function unitsOf({ pattern }: Pick<StrictVector, "pattern">, layer: StrictLayer): Unit[] {
  const layout = layOut(pattern, layer);
  const { blockRows, blockColumns, blockHeight, blockWidth, columns } = layout;
  return Array.from({ length: blockRows * blockColumns }, (_, unit) => {
    const top = Math.floor(unit / blockColumns) * blockHeight;
    const left = (unit % blockColumns) * blockWidth;
    const cells = Array.from({ length: blockHeight * blockWidth }, (_, i) => ({
      row: top + Math.floor(i / blockWidth),
      column: left + (i % blockWidth),
    }));
    const elements = cells.map(({ row, column }) => row * columns + column);
    const places = cells.map(({ row, column }) => row * columns + columnOffset(layout, column));
    if (pattern.kind === "block")
      return { elements, places, score: layer.scores[unit] ?? Number.NaN };
    const members = elements.map((element) => layer.scores[element] ?? Number.NaN);
    const lost = lowestOf(members, pattern.prune).reduce((sum, score) => sum + score, 0);
    return { elements, places, score: Math.fround(lost / pattern.of) };
  });
}

/** The elements of a unit that a mask prunes. */
export function prunedElements(mask: ArrayLike<number>, { elements, places }: Unit): number[] {
  return elements.filter((_, i) => mask[places[i] as number] === 0);
}

/** The units of a layer that a mask prunes. */
export function prunedUnits(
  vector: Pick<StrictVector, "pattern">,
  layer: StrictLayer,
  mask: ArrayLike<number>,
): readonly Unit[] {
  return unitsOf(vector, layer).filter((unit) => prunedElements(mask, unit).length > 0);
}
