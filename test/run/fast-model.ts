/** The small model with a fast tokenizer. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VOCABULARY } from "../cli/fixtures.ts";
import { modelFiles } from "./classifier-files.ts";

/** The ids of the small vocabulary. */
export const TOKEN_IDS: Readonly<Record<string, number>> = Object.fromEntries(
  VOCABULARY.trim()
    .split("\n")
    .map((token, id) => [token, id]),
);

/** The tokenizer of the small vocabulary as transformers saves it. */
export const TOKENIZER: object = {
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: { type: "BertProcessing", sep: ["[SEP]", 3], cls: ["[CLS]", 2] },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: TOKEN_IDS,
  },
};

const LABELS = { id2label: { 0: "no", 1: "yes" }, label2id: { no: 0, yes: 1 } };

/** A width from which linear layers are stored with 8 bits. */
export const WIDE = { hidden_size: 64, intermediate_size: 128 };

/**
 * Saves the small model with random weights, the labels `no` and `yes`, and tokenizer.json.
 * `config` changes the model.
 */
export async function saveFastModel(
  directory: string,
  config: object = {},
  tokenizer: object = TOKENIZER,
): Promise<void> {
  mkdirSync(directory);
  for (const { name, bytes } of await modelFiles({ ...LABELS, ...config }))
    if (name !== "vocab.txt") writeFileSync(join(directory, name), bytes);
  writeFileSync(join(directory, "tokenizer.json"), JSON.stringify(tokenizer));
}
