/** Scores of blocks as scores of their elements (INC: `PytorchPatternNxM.update_progressive_masks`). */
import { asNdarray, type Matrix, zeros } from "./matrix.ts";
import type { ReferenceState } from "./state.ts";

/** One score per element, in matrix order: the block's where scores are one per block, 0 where there is none. */
export function elementwiseScores({
  scores,
  elementwise,
  layout,
  shape,
}: Pick<ReferenceState, "scores" | "elementwise" | "layout" | "shape">): Matrix {
  if (scores !== null && elementwise) return scores;
  const rows = Number(shape[0]);
  const columns = shape.slice(1).reduce((product, extent) => product * extent, 1);
  const spread = zeros(rows, columns);
  if (scores === null) return spread;
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const block = [Math.floor(row / layout.height), Math.floor(column / layout.width)];
      spread.set(row, column, asNdarray(scores).get(...block));
    }
  return spread;
}
