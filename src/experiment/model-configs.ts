/** Defines the models that recipes refer to, in the form of Hugging Face's `config.json`. */
import type { ModelName } from "./recipes.ts";

const BERT_COMMON = Object.freeze({
  model_type: "bert",
  architectures: ["BertForSequenceClassification"],
  hidden_act: "gelu",
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
  type_vocab_size: 2,
});

/** The configuration of google/bert_uncased_L-4_H-256_A-4. */
const BERT_MINI = Object.freeze({
  ...BERT_COMMON,
  vocab_size: 30522,
  hidden_size: 256,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  intermediate_size: 1024,
  max_position_embeddings: 512,
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
});

/** The configuration of distilbert-base-uncased. */
const DISTILBERT = Object.freeze({
  model_type: "distilbert",
  architectures: ["DistilBertForSequenceClassification"],
  activation: "gelu",
  attention_dropout: 0.1,
  dim: 768,
  dropout: 0.1,
  hidden_dim: 3072,
  initializer_range: 0.02,
  max_position_embeddings: 512,
  n_heads: 12,
  n_layers: 6,
  pad_token_id: 0,
  seq_classif_dropout: 0.2,
  sinusoidal_pos_embds: false,
  vocab_size: 30522,
});

/**
 * The configuration of the demo's model. The demo's patterns divide the shapes of all its linear layers. The initial
 * weights are unusually large, with a standard deviation of about 2 / sqrt(hidden_size). They make the model depend on
 * most of its weights, as large pre-trained models do, so that pruning without fine-tuning lowers the accuracy. Without
 * dropout, student and teacher would be equal at first, and there would be no gradients by which to score weights.
 */
const BERT_DEMO = Object.freeze({
  ...BERT_COMMON,
  vocab_size: 66,
  hidden_size: 48,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  intermediate_size: 48,
  max_position_embeddings: 32,
  initializer_range: 0.29,
  hidden_dropout_prob: 0.02,
  attention_probs_dropout_prob: 0.02,
});

/** The contents of `config.json` for each model. A vocabulary for it may have at most `vocab_size` tokens. */
export const MODEL_CONFIGS: Readonly<Record<ModelName, Readonly<Record<string, unknown>>>> =
  Object.freeze({
    "bert-mini": BERT_MINI,
    distilbert: DISTILBERT,
    "bert-demo": BERT_DEMO,
  });
