/** BERT-mini for the peers in JavaScript: its extents, and the arrays of a batch. */

export const HIDDEN = 256;
export const HEADS = 4;
export const INNER = 1024;
export const LAYERS = 4;
export const LABELS = 2;

/** The bias that hides a key from softmax. */
const HIDDEN_KEY = -1e9;

/** Ids, labels and the bias of hidden keys for examples of these lengths, padded to the longest. */
export function batchOf({ lengths, vocabulary }) {
  const [batch, positions] = [lengths.length, Math.max(...lengths)];
  const tokens = batch * positions;
  const bias = new Float32Array(tokens);
  lengths.forEach((length, example) => {
    bias.fill(HIDDEN_KEY, example * positions + length, (example + 1) * positions);
  });
  // Different ids, spread over the table as in a real batch.
  const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % vocabulary);
  const labels = Int32Array.from({ length: batch }, (_, example) => example % LABELS);
  return { batch, positions, tokens, ids, bias, labels };
}
