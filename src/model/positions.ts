/** Numbers the tokens of a batch for the table of positions. */
import { ARCHITECTURES } from "./architectures.ts";
import type { TokenBatch } from "./batch.ts";
import type { ModelConfig } from "./config.ts";

/** Returns the row of the position table for each token of a batch: [batch, positions]. */
export function positionIds(
  { modelType, padTokenId }: Pick<ModelConfig, "modelType" | "padTokenId">,
  batch: Pick<TokenBatch, "positions" | "inputIds">,
): Int32Array {
  const { positions } = ARCHITECTURES[modelType];
  switch (positions) {
    case "index":
      return batch.inputIds.map((_, token) => token % batch.positions);
    case "content":
      return contentPositions(batch, padTokenId);
    default:
      return positions satisfies never;
  }
}

function contentPositions(
  { positions, inputIds }: Pick<TokenBatch, "positions" | "inputIds">,
  padId: number,
): Int32Array {
  const ids = new Int32Array(inputIds.length);
  let count = 0;
  for (let token = 0; token < ids.length; token++) {
    if (token % positions === 0) count = 0;
    const isPadding = inputIds[token] === padId;
    if (!isPadding) count++;
    ids[token] = isPadding ? padId : padId + count;
  }
  return ids;
}

/** Returns the row of the position table for padding, which is not trained; undefined if there is none. */
export function positionPaddingRow({ modelType, padTokenId }: ModelConfig): number | undefined {
  return ARCHITECTURES[modelType].positions === "content" ? padTokenId : undefined;
}

/** Returns a table of sinusoids: sines in even columns, cosines in odd columns. */
export function sinusoidalPositions(rows: number, width: number): Float32Array {
  const table = new Float32Array(rows * width);
  for (let i = 0; i < table.length; i++) {
    const [row, column] = [Math.floor(i / width), i % width];
    const angle = row / 10000 ** ((2 * Math.floor(column / 2)) / width);
    table[i] = column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  }
  return table;
}
