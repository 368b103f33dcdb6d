/** BERT, also as MiniLM. Its encoder and its configuration are the base of RoBERTa and ELECTRA. */
import type { Architecture, EmbeddingNames, LayerNames } from "./architecture.ts";
import type { ConfigReader } from "./config-reader.ts";
import type { EncoderFields } from "./encoder-fields.ts";

export const bert: Architecture = {
  read: (reader) => readBert(reader, BERT_DEFAULTS),
  embeddings: bertEmbeddings("bert"),
  layer: (index) => bertLayer("bert", index),
  positions: "index",
  dropsAttention: true,
  typesPairs: true,
  head: {
    dense: "bert.pooler.dense",
    activation: "tanh",
    classifier: "classifier",
    dropsToken: false,
  },
};

/** The defaults of transformers that differ between models with the keys of BERT. */
interface BertDefaults {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly heads: number;
  readonly intermediateSize: number;
  readonly padTokenId: number;
}

export const BERT_DEFAULTS: BertDefaults = {
  vocabularySize: 30522,
  hiddenSize: 768,
  heads: 12,
  intermediateSize: 3072,
  padTokenId: 0,
};

/** Reads the keys of transformers' `BertConfig`, which RoBERTa and ELECTRA share. */
export function readBert(reader: ConfigReader, defaults: BertDefaults): EncoderFields {
  reader.requireConstant("position_embedding_type", "absolute");
  reader.requireConstant("is_decoder", false);
  reader.requireConstant("add_cross_attention", false);
  const hiddenDropout = reader.rate("hidden_dropout_prob", 0.1);
  const vocabularySize = reader.count("vocab_size", defaults.vocabularySize);
  const maxPositions = reader.count("max_position_embeddings", 512);
  const heads = reader.count("num_attention_heads", defaults.heads);
  const hiddenSize = reader.width("hidden_size", defaults.hiddenSize, heads);
  return {
    vocabularySize,
    tokenTypes: reader.count("type_vocab_size", 2),
    maxPositions,
    positionRows: maxPositions,
    trainsPositions: true,
    layers: reader.layers("num_hidden_layers", 12),
    heads,
    embeddingSize: hiddenSize,
    hiddenSize,
    intermediateSize: reader.count("intermediate_size", defaults.intermediateSize),
    activation: reader.activation("hidden_act"),
    hiddenDropout,
    attentionDropout: reader.rate("attention_probs_dropout_prob", 0.1),
    classifierDropout: reader.rate("classifier_dropout", hiddenDropout),
    layerNormEpsilon: reader.positive("layer_norm_eps", 1e-12),
    initializerRange: reader.positive("initializer_range", 0.02),
    ...reader.padding("pad_token_id", vocabularySize, defaults.padTokenId),
  };
}

export function bertEmbeddings(prefix: string): EmbeddingNames {
  return {
    words: `${prefix}.embeddings.word_embeddings`,
    positions: `${prefix}.embeddings.position_embeddings`,
    tokenTypes: `${prefix}.embeddings.token_type_embeddings`,
    norm: `${prefix}.embeddings.LayerNorm`,
    projection: null,
  };
}

export function bertLayer(prefix: string, index: number): LayerNames {
  const layer = `${prefix}.encoder.layer.${index}`;
  return {
    query: `${layer}.attention.self.query`,
    key: `${layer}.attention.self.key`,
    value: `${layer}.attention.self.value`,
    attentionOutput: `${layer}.attention.output.dense`,
    attentionNorm: `${layer}.attention.output.LayerNorm`,
    intermediate: `${layer}.intermediate.dense`,
    output: `${layer}.output.dense`,
    outputNorm: `${layer}.output.LayerNorm`,
  };
}
