/** ELECTRA's discriminator: BERT's encoder with embeddings of another width and another head. */
import type { Architecture } from "./architecture.ts";
import { BERT_DEFAULTS, bertEmbeddings, bertLayer, readBert } from "./bert.ts";
import type { ConfigReader } from "./config-reader.ts";
import type { EncoderFields } from "./encoder-fields.ts";

export const electra: Architecture = {
  read: readElectra,
  embeddings: { ...bertEmbeddings("electra"), projection: "electra.embeddings_project" },
  layer: (index) => bertLayer("electra", index),
  positions: "index",
  dropsAttention: true,
  typesPairs: true,
  head: {
    dense: "classifier.dense",
    // Always, whatever `hidden_act` and `summary_activation` say.
    activation: "gelu",
    classifier: "classifier.out_proj",
    dropsToken: true,
  },
};

function readElectra(reader: ConfigReader): EncoderFields {
  const defaults = { ...BERT_DEFAULTS, hiddenSize: 256, heads: 4, intermediateSize: 1024 };
  const fields = readBert(reader, defaults);
  return { ...fields, embeddingSize: reader.count("embedding_size", 128) };
}
