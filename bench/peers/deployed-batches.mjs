/** The batches of the deployment benchmarks, for peers in JavaScript, in Node and in pages. */

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

/** An onnxruntime session on token ids. */
export function onnxPeer(name, onnx, session, batches) {
  const prepare = (one) => {
    const { batch, positions, inputIds, tokenTypeIds, attentionMask } = paddedBatch(one);
    const inputs = {
      input_ids: inputIds,
      attention_mask: attentionMask,
      token_type_ids: tokenTypeIds,
    };
    const feeds = session.inputNames.map((input) => {
      const values = BigInt64Array.from(inputs[input], BigInt);
      return [input, new onnx.Tensor("int64", values, [batch, positions])];
    });
    return Object.fromEntries(feeds);
  };
  return peerOf(name, batches, prepare, async (feeds) => (await session.run(feeds)).logits.data);
}

/** A pipeline of transformers.js on texts. */
export function pipelinePeer(name, classify, batches) {
  const logitsOf = async (texts) => {
    const { logits } = await classify.model(classify.tokenizer(texts, { padding: true }));
    return logits.data;
  };
  const peer = peerOf(name, batches, ({ texts }) => texts, logitsOf);
  for (const batch of batches) peer.runs[batch.name] = () => classify(batch.texts);
  return peer;
}
