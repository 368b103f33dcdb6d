/** The encoders that can be read, computed and written: their names in files of transformers. */

/** The values of `model_type` in config.json whose models are known. */
export type EncoderType =
  | "bert"
  | "distilbert"
  | "roberta"
  | "xlm-roberta"
  | "camembert"
  | "electra";

/** The names of one type of encoder. */
interface EncoderNames {
  /** The first part of the encoder's parameter names in a classifier. */
  readonly prefix: string;
  /** The top-level modules of the encoder. */
  readonly modules: readonly string[];
  /** The top-level modules of the classification head. */
  readonly head: readonly string[];
  /** The class of a sequence classifier. */
  readonly classifier: string;
  /** The class of its tokenizer. */
  readonly tokenizer: string;
}

const ROBERTA = {
  prefix: "roberta",
  modules: ["embeddings", "encoder", "pooler"],
  head: ["classifier"],
};

const ENCODERS: Readonly<Record<EncoderType, EncoderNames>> = {
  bert: {
    prefix: "bert",
    modules: ["embeddings", "encoder", "pooler"],
    head: ["classifier"],
    classifier: "BertForSequenceClassification",
    tokenizer: "BertTokenizer",
  },
  distilbert: {
    prefix: "distilbert",
    modules: ["embeddings", "transformer"],
    head: ["pre_classifier", "classifier"],
    classifier: "DistilBertForSequenceClassification",
    tokenizer: "DistilBertTokenizer",
  },
  roberta: {
    ...ROBERTA,
    classifier: "RobertaForSequenceClassification",
    tokenizer: "RobertaTokenizer",
  },
  "xlm-roberta": {
    ...ROBERTA,
    classifier: "XLMRobertaForSequenceClassification",
    tokenizer: "XLMRobertaTokenizer",
  },
  camembert: {
    ...ROBERTA,
    classifier: "CamembertForSequenceClassification",
    tokenizer: "CamembertTokenizer",
  },
  electra: {
    prefix: "electra",
    modules: ["embeddings", "embeddings_project", "encoder"],
    head: ["classifier"],
    classifier: "ElectraForSequenceClassification",
    tokenizer: "ElectraTokenizer",
  },
};

export const ENCODER_TYPES: readonly EncoderType[] = Object.keys(ENCODERS) as EncoderType[];

export function isEncoderType(type: unknown): type is EncoderType {
  return typeof type === "string" && Object.hasOwn(ENCODERS, type);
}

export function encoderNames(type: EncoderType): EncoderNames {
  return ENCODERS[type];
}

/**
 * Returns the type that a config.json states. Files of old versions state none, so then other keys decide. Undefined
 * for an unknown type.
 */
export function statedEncoderType(
  config: Readonly<Record<string, unknown>>,
): EncoderType | undefined {
  const { model_type: stated } = config;
  if (stated !== undefined) return isEncoderType(stated) ? stated : undefined;
  if ("dim" in config || "n_layers" in config) return "distilbert";
  return "hidden_size" in config || "num_hidden_layers" in config ? "bert" : undefined;
}
