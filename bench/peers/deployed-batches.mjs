/** The batches of the deployment benchmarks, for peers in JavaScript. */

/** Token ids of a batch, padded to the longest row. */
export function paddedBatch({ rows, padId }) {
  const positions = Math.max(...rows.map((row) => row.length));
  const inputIds = new Int32Array(rows.length * positions).fill(padId);
  const attentionMask = new Uint8Array(rows.length * positions);
  for (const [i, row] of rows.entries()) {
    inputIds.set(row, i * positions);
    attentionMask.fill(1, i * positions, i * positions + row.length);
  }
  return {
    batch: rows.length,
    positions,
    inputIds,
    tokenTypeIds: new Int32Array(inputIds.length),
    attentionMask,
  };
}

/** Runs and answers of a peer: `logitsOf` computes the logits of a batch that `prepare` makes. */
export function peerOf(name, batches, prepare, logitsOf) {
  const runs = {};
  const answers = {};
  for (const batch of batches) {
    const input = prepare(batch);
    runs[batch.name] = () => logitsOf(input);
    answers[`logits:${batch.name}`] = async () => Array.from(await logitsOf(input));
  }
  return { name, runs, answers };
}
