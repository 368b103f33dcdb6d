/** Working memory of a pruner of heads: created once for the `Into` forms and reused at every step. */
import type { LayerRecord } from "../prune/layer.ts";
import { createSelectionScratch, type SelectionScratch } from "../prune/threshold.ts";

export interface HeadScratch {
  readonly selection: SelectionScratch;
  /** Room for the scores of one row of the widest weight. */
  readonly row: Float32Array;
  /** Room for one score per row of the highest projection, or per head. */
  readonly line: Float32Array;
  /** Room for one score per row and head of the largest output layer. */
  readonly grid: Float32Array;
  /** The layer records of the call in progress: for each attention layer its projections, then its output layer. */
  readonly records: LayerRecord[][];
}

/** Opaque working memory for the `Into` forms, sized by the shapes of an attention layer's linear layers. */
export function createScratch(
  attentions: readonly { readonly heads: number }[],
  records: readonly (readonly Pick<LayerRecord, "shape">[])[],
): HeadScratch {
  let [row, line, grid] = [0, 0, 0];
  records.forEach((own, i) => {
    const { heads } = attentions[i];
    for (const {
      shape: [rows = 0, columns = 0],
    } of own) {
      row = Math.max(row, columns);
      line = Math.max(line, rows, heads);
      grid = Math.max(grid, rows * heads);
    }
  });
  return {
    selection: createSelectionScratch(),
    row: new Float32Array(row),
    line: new Float32Array(line),
    grid: new Float32Array(grid),
    records: attentions.map(() => []),
  };
}
