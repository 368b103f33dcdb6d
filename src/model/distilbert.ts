/** DistilBERT: no token types, no dropout after attention, and its own names. */
import type { Architecture, LayerNames } from "./architecture.ts";
import type { ConfigReader } from "./config-reader.ts";
import type { EncoderFields } from "./encoder-fields.ts";

export const distilBert: Architecture = {
  read: readDistilBert,
  embeddings: {
    words: "distilbert.embeddings.word_embeddings",
    positions: "distilbert.embeddings.position_embeddings",
    tokenTypes: null,
    norm: "distilbert.embeddings.LayerNorm",
    projection: null,
  },
  layer: distilBertLayer,
  positions: "index",
  dropsAttention: false,
  typesPairs: false,
  head: {
    dense: "pre_classifier",
    // Always, whatever `activation` says.
    activation: "relu",
    classifier: "classifier",
    dropsToken: false,
  },
};

/** Reads the keys of transformers' `DistilBertConfig`, with its defaults. Layer norms always use epsilon 1e-12. */
function readDistilBert(reader: ConfigReader): EncoderFields {
  const vocabularySize = reader.count("vocab_size", 30522);
  const maxPositions = reader.count("max_position_embeddings", 512);
  const heads = reader.count("n_heads", 12);
  const hiddenSize = reader.width("dim", 768, heads);
  return {
    vocabularySize,
    tokenTypes: 0,
    maxPositions,
    positionRows: maxPositions,
    trainsPositions: !reader.flag("sinusoidal_pos_embds", false),
    layers: reader.layers("n_layers", 6),
    heads,
    embeddingSize: hiddenSize,
    hiddenSize,
    intermediateSize: reader.count("hidden_dim", 3072),
    activation: reader.activation("activation"),
    hiddenDropout: reader.rate("dropout", 0.1),
    attentionDropout: reader.rate("attention_dropout", 0.1),
    classifierDropout: reader.rate("seq_classif_dropout", 0.2),
    layerNormEpsilon: 1e-12,
    initializerRange: reader.positive("initializer_range", 0.02),
    ...reader.padding("pad_token_id", vocabularySize, 0),
  };
}

function distilBertLayer(index: number): LayerNames {
  const layer = `distilbert.transformer.layer.${index}`;
  return {
    query: `${layer}.attention.q_lin`,
    key: `${layer}.attention.k_lin`,
    value: `${layer}.attention.v_lin`,
    attentionOutput: `${layer}.attention.out_lin`,
    attentionNorm: `${layer}.sa_layer_norm`,
    intermediate: `${layer}.ffn.lin1`,
    output: `${layer}.ffn.lin2`,
    outputNorm: `${layer}.output_layer_norm`,
  };
}
