import { nextBelow, openStream } from "../../src/core/random.ts";
import type { TokenBatch } from "../../src/model/batch.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../../src/model/config.ts";

const COMMON = { vocab_size: 30, max_position_embeddings: 24, num_labels: 3 };

/** A BERT with dropout, small enough for finite differences. */
export const SMALL_BERT: ModelConfig = parseModelConfigOrThrow({
  ...COMMON,
  model_type: "bert",
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 12,
});

/** A DistilBERT of the same size. */
export const SMALL_DISTILBERT: ModelConfig = parseModelConfigOrThrow({
  ...COMMON,
  model_type: "distilbert",
  dim: 8,
  n_layers: 2,
  n_heads: 2,
  hidden_dim: 12,
});

/** A RoBERTa of the same size, whose positions start at 1. */
export const SMALL_ROBERTA: ModelConfig = parseModelConfigOrThrow({
  ...SMALL_BERT.source,
  model_type: "roberta",
  hidden_act: "silu",
  type_vocab_size: 1,
  pad_token_id: 0,
});

/** An ELECTRA of the same size, whose embeddings are narrower. */
export const SMALL_ELECTRA: ModelConfig = parseModelConfigOrThrow({
  ...SMALL_BERT.source,
  model_type: "electra",
  hidden_act: "gelu_new",
  embedding_size: 6,
});

/** A BERT whose layers have different heads and widths. */
const SMALL_UNEVEN: ModelConfig = parseModelConfigOrThrow({
  ...SMALL_BERT.source,
  pruned_heads: { 1: [0] },
  espalier: { intermediate_sizes: [8, 12] },
});

/** A DistilBERT whose positions are not trained. */
const SMALL_SINUSOIDAL: ModelConfig = parseModelConfigOrThrow({
  ...SMALL_DISTILBERT.source,
  activation: "relu",
  sinusoidal_pos_embds: true,
});

export const SMALL_MODELS: readonly (readonly [string, ModelConfig])[] = [
  ["bert", SMALL_BERT],
  ["distilbert", SMALL_DISTILBERT],
  ["roberta", SMALL_ROBERTA],
  ["electra", SMALL_ELECTRA],
  ["distilbert with sinusoidal positions", SMALL_SINUSOIDAL],
  ["bert with uneven layers", SMALL_UNEVEN],
];

/** Random sequences of the given lengths, padded to `positions` with id 0. */
export function randomBatch(
  lengths: readonly number[],
  positions: number,
  seed: number,
): TokenBatch & { readonly labels: Int32Array } {
  const batch = lengths.length;
  const inputIds = new Int32Array(batch * positions);
  const tokenTypeIds = new Int32Array(batch * positions);
  const attentionMask = new Uint8Array(batch * positions);
  lengths.forEach((length, example) => {
    const stream = openStream(seed, 77, example);
    for (let position = 0; position < length; position++) {
      const token = example * positions + position;
      inputIds[token] = 1 + nextBelow(stream, 29);
      tokenTypeIds[token] = position * 2 >= length ? 1 : 0;
      attentionMask[token] = 1;
    }
  });
  const labels = Int32Array.from(lengths, (_, example) => example % 3);
  return { batch, positions, inputIds, tokenTypeIds, attentionMask, labels };
}
