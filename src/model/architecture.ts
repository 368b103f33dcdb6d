/** What an architecture is: one record for each type of encoder. docs/architectures.md describes how to add one. */
import type { HeadActivation } from "./activations.ts";
import type { ConfigReader } from "./config-reader.ts";
import type { EncoderFields } from "./encoder-fields.ts";

export interface Architecture {
  /** Reads the keys of config.json, with the defaults of transformers. */
  readonly read: (reader: ConfigReader) => EncoderFields;
  readonly embeddings: EmbeddingNames;
  /** Returns the names of the modules in a layer. */
  readonly layer: (index: number) => LayerNames;
  readonly positions: PositionRule;
  /** Whether the output of attention has dropout before it is added to its input. */
  readonly dropsAttention: boolean;
  /** Whether pairs of texts need two token types. Otherwise a model of one type ignores the types of its input. */
  readonly typesPairs: boolean;
  readonly head: Head;
}

/**
 * How tokens are numbered for the position table. `index`: by their index, from 0. `content`: the token ids other than
 * padding are counted, from the padding id + 1; padding has the position of the padding id.
 */
export type PositionRule = "index" | "content";

/** The names of the modules before the first layer. Null: the model has none. */
export interface EmbeddingNames {
  readonly words: string;
  readonly positions: string;
  readonly tokenTypes: string | null;
  readonly norm: string;
  /** The linear layer from the width of embeddings to that of hidden states, if they differ. */
  readonly projection: string | null;
}

/** The names of the modules in a layer. */
export type LayerNames = Readonly<
  Record<"query" | "key" | "value" | "attentionOutput" | "attentionNorm", string> &
    Record<"intermediate" | "output" | "outputNorm", string>
>;

/** A classification head on the first token: classifier(dropout(activation(dense(token)))). */
export interface Head {
  readonly dense: string;
  readonly activation: HeadActivation;
  readonly classifier: string;
  /** Whether the token has dropout, too. */
  readonly dropsToken: boolean;
}
