import type { Kernels } from "../table.ts";

export const attentionSoftmaxForward: Kernels["attentionSoftmaxForward"] = (
  scores,
  keyBias,
  scale,
  probabilities,
  offset,
  biasOffset,
  rows,
  columns,
): void => {
  let start = offset;
  // In float32, score - 3.4028235e38 rounds to -3.4028235e38. If all keys of a row are hidden, its probabilities are
  // therefore uniform, as in transformers.
  const logit = (c: number): number =>
    Math.fround(scores[start + c] * scale + keyBias[biasOffset + c]);
  for (; start < offset + rows * columns; start += columns)
    softmaxRow(logit, probabilities, start, columns);
};

export const softmaxRows: Kernels["softmaxRows"] = (
  logits,
  scale,
  probabilities,
  rows,
  columns,
): void => {
  let start = 0;
  const logit = (c: number): number => logits[start + c] * scale;
  for (; start < rows * columns; start += columns) softmaxRow(logit, probabilities, start, columns);
};

/**
 * out[start + c] = exp(logit(c)) / the sum of exp(logit) over the row. `logit(c)` may read out[start + c], which is
 * written after the last call of `logit(c)`.
 */
function softmaxRow(
  logit: (column: number) => number,
  out: Float32Array,
  start: number,
  columns: number,
): void {
  let max = -Infinity;
  for (let c = 0; c < columns; c++) {
    const value = logit(c);
    if (value > max) max = value;
  }
  let sum = 0;
  for (let c = 0; c < columns; c++) sum += Math.exp(logit(c) - max);
  for (let c = 0; c < columns; c++) out[start + c] = Math.exp(logit(c) - max) / sum;
}

export const attentionSoftmaxBackward: Kernels["attentionSoftmaxBackward"] = (
  probabilities,
  dProbabilities,
  scale,
  dScores,
  offset,
  rows,
  columns,
): void => {
  for (let start = offset; start < offset + rows * columns; start += columns) {
    const end = start + columns;
    let dot = 0;
    for (let i = start; i < end; i++) dot += probabilities[i] * dProbabilities[i];
    for (let i = start; i < end; i++) {
      dScores[i] = scale * probabilities[i] * (dProbabilities[i] - dot);
    }
  }
};
