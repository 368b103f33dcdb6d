/** The classes of transformers' tokenizers, with their special tokens. */
import { describe } from "../../core/checks.ts";
import type { Problem } from "../../core/either.ts";
import type { JsonObject } from "../json.ts";
import type { AddedToken } from "./added-tokens.ts";
import { once } from "./tables.ts";

/** A token as a file states it. Without `normalized`, the final value of `special` decides. */
export type FlaggedToken = Omit<AddedToken, "normalized"> & {
  readonly normalized: boolean | undefined;
};

/** A special token: text, or a token with flags. */
export type SpecialValue = string | FlaggedToken;

type Defaults = Readonly<Record<string, SpecialValue>>;

const BERT_TOKENS: Defaults = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};

function maskToken(content: string, normalized: boolean | undefined): FlaggedToken {
  return { content, singleWord: false, lstrip: true, rstrip: false, normalized, special: false };
}

const ROBERTA_TOKENS: Defaults = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
};

/** A class of transformers' fast tokenizers. */
export interface TokenizerClass {
  /** Whether the class overrides the options of `BertNormalizer`. */
  readonly setsNormalizer: boolean;
  readonly tokens: Defaults;
  /** Makes a token with flags from a mask token that is stored as text. */
  readonly mask: ((content: string) => FlaggedToken) | undefined;
}

export const BERT_CLASS: TokenizerClass = {
  setsNormalizer: true,
  tokens: BERT_TOKENS,
  mask: undefined,
};

const PLAIN_CLASS: TokenizerClass = { setsNormalizer: false, tokens: {}, mask: undefined };

/** The classes by their names without `Fast`. */
const classes: () => Readonly<Record<string, TokenizerClass>> = /* @__PURE__ */ once(() => ({
  BertTokenizer: BERT_CLASS,
  DistilBertTokenizer: BERT_CLASS,
  ElectraTokenizer: BERT_CLASS,
  MobileBertTokenizer: BERT_CLASS,
  ConvBertTokenizer: BERT_CLASS,
  SqueezeBertTokenizer: BERT_CLASS,
  RobertaTokenizer: {
    setsNormalizer: false,
    tokens: { ...ROBERTA_TOKENS, mask_token: "<mask>" },
    mask: (content) => maskToken(content, false),
  },
  XLMRobertaTokenizer: {
    setsNormalizer: false,
    tokens: { ...ROBERTA_TOKENS, mask_token: "<mask>" },
    mask: (content) => maskToken(content, undefined),
  },
  AlbertTokenizer: {
    setsNormalizer: false,
    tokens: {
      ...BERT_TOKENS,
      bos_token: "[CLS]",
      eos_token: "[SEP]",
      unk_token: "<unk>",
      pad_token: "<pad>",
    },
    mask: (content) => maskToken(content, false),
  },
  DebertaTokenizer: {
    setsNormalizer: false,
    tokens: { ...BERT_TOKENS, bos_token: "[CLS]", eos_token: "[SEP]" },
    mask: undefined,
  },
  DebertaV2Tokenizer: {
    setsNormalizer: false,
    tokens: { ...BERT_TOKENS, bos_token: "[CLS]", eos_token: "[SEP]" },
    mask: undefined,
  },
  PreTrainedTokenizer: PLAIN_CLASS,
  TokenizersBackend: PLAIN_CLASS,
}));

/** The classes of model types, for directories whose files do not name the class. */
const CLASS_OF_MODEL: Readonly<Record<string, string>> = {
  bert: "BertTokenizer",
  distilbert: "DistilBertTokenizer",
  electra: "ElectraTokenizer",
  mobilebert: "MobileBertTokenizer",
  convbert: "ConvBertTokenizer",
  squeezebert: "SqueezeBertTokenizer",
  roberta: "RobertaTokenizer",
  "xlm-roberta": "XLMRobertaTokenizer",
  albert: "AlbertTokenizer",
  deberta: "DebertaTokenizer",
  "deberta-v2": "DebertaV2Tokenizer",
};

/** The files that may name the class. */
interface NamingFiles {
  readonly config: JsonObject | undefined;
  readonly model: JsonObject | undefined;
}

/** Returns the class, or undefined if no file names it: then tokenizer.json is used as it is. */
export function tokenizerClassOf(
  { config, model }: NamingFiles,
  problems: Problem[],
): TokenizerClass | undefined {
  const type = model?.model_type ?? null;
  const inferred =
    typeof type === "string" && Object.hasOwn(CLASS_OF_MODEL, type) ? CLASS_OF_MODEL[type] : null;
  const given = config?.tokenizer_class ?? model?.tokenizer_class ?? inferred;
  if (given === null) {
    if (type === null) return config === undefined ? undefined : PLAIN_CLASS;
    const known = Object.keys(CLASS_OF_MODEL).join(", ");
    const expected = `one of ${known}, or a tokenizer_class in tokenizer_config.json`;
    problems.push({ path: "config.json: model_type", expected, got: describe(type) });
    return PLAIN_CLASS;
  }
  const name = typeof given === "string" ? given.replace(/Fast$/, "") : "";
  const found = Object.hasOwn(classes(), name) ? classes()[name] : undefined;
  if (found !== undefined) return found;
  const path = "tokenizer_config.json: tokenizer_class";
  const expected = `one of ${Object.keys(classes()).join(", ")}, with or without Fast`;
  problems.push({ path, expected, got: describe(given) });
  return PLAIN_CLASS;
}
