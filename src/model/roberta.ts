/** RoBERTa, DistilRoBERTa, XLM-R and CamemBERT: BERT's encoder with other positions and another head. */
import type { Architecture } from "./architecture.ts";
import { BERT_DEFAULTS, bertEmbeddings, bertLayer, readBert } from "./bert.ts";
import type { ConfigReader } from "./config-reader.ts";
import type { EncoderFields } from "./encoder-fields.ts";

export const xlmRoberta: Architecture = {
  read: (reader) => readRoberta(reader, BERT_DEFAULTS.vocabularySize),
  embeddings: bertEmbeddings("roberta"),
  layer: (index) => bertLayer("roberta", index),
  positions: "content",
  dropsAttention: true,
  typesPairs: false,
  head: {
    dense: "classifier.dense",
    activation: "tanh",
    classifier: "classifier.out_proj",
    dropsToken: true,
  },
};

export const camemBert: Architecture = xlmRoberta;

export const roberta: Architecture = {
  ...xlmRoberta,
  read: (reader) => readRoberta(reader, 50265),
};

/** Reads the keys of BERT. Positions start after the padding id, so the table has fewer usable rows. */
function readRoberta(reader: ConfigReader, vocabularySize: number): EncoderFields {
  const fields = readBert(reader, { ...BERT_DEFAULTS, vocabularySize, padTokenId: 1 });
  const { positionRows, padTokenId, paddingRow } = fields;
  if (paddingRow === null) reader.reject("pad_token_id", "an id");
  const maxPositions = positionRows - padTokenId - 1;
  if (maxPositions < 1)
    reader.reject("max_position_embeddings", `at least ${padTokenId + 2}, after pad_token_id`);
  return { ...fields, maxPositions };
}
