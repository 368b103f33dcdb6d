/** Scores of blocks as scores of their elements (INC: `PytorchPatternNxM.update_progressive_masks`). */
import { at, type Matrix, matrixOf } from "./matrix.ts";
import type { ReferenceState } from "./state.ts";

/** One score per element, in matrix order: the block's if scores are one per block, 0 if there is none. */
export function elementwiseScores(
  layer: Pick<ReferenceState, "scores" | "elementwise" | "layout" | "shape">,
): Matrix {
  const { scores, elementwise, layout, shape } = layer;
  if (scores !== null && elementwise) return scores;
  const columns = shape.slice(1).reduce((product, extent) => product * extent, 1);
  return matrixOf(shape[0], columns, (row, column) =>
    scores === null
      ? 0
      : at(scores, Math.floor(row / layout.height), Math.floor(column / layout.width)),
  );
}
