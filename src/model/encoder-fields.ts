import type { HiddenActivation } from "./activations.ts";

/** The fields of a configuration that its architecture reads. */
export interface EncoderFields {
  readonly vocabularySize: number;
  /** Number of token types; 0 for DistilBERT, which has none. */
  readonly tokenTypes: number;
  /** The largest number of tokens in an input. */
  readonly maxPositions: number;
  /** Number of rows in the position embedding table. In RoBERTa, tokens start at the row after the padding id. */
  readonly positionRows: number;
  /** Whether the table of positions is trained. Sinusoidal positions are not. */
  readonly trainsPositions: boolean;
  readonly layers: number;
  readonly heads: number;
  /** Width of the embeddings; in ELECTRA, it may differ from the hidden size. */
  readonly embeddingSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly activation: HiddenActivation;
  /** Dropout rate of embeddings and sub-layer outputs. */
  readonly hiddenDropout: number;
  /** Dropout rate of attention probabilities. */
  readonly attentionDropout: number;
  /** Dropout rate before the classifier. */
  readonly classifierDropout: number;
  readonly layerNormEpsilon: number;
  /** Standard deviation of the initial weights. */
  readonly initializerRange: number;
  /** The token id of padding. */
  readonly padTokenId: number;
  /** The row of the word embeddings that is not trained; null if config.json states null as the padding id. */
  readonly paddingRow: number | null;
}
