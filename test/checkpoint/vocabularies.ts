/** Small tokenizers as files, and their vocabularies shrunk to the tokens of texts. */
import {
  chooseVocabulary,
  countTokens,
  type VocabularyChoice,
} from "../../src/checkpoint/vocabulary-choice.ts";
import { renumberFiles } from "../../src/checkpoint/vocabulary-files.ts";
import { keptMerges, shrinkableModel } from "../../src/checkpoint/vocabulary-model.ts";
import { getOrThrow } from "../../src/core/either.ts";
import { readHuggingFaceTokenizer, type TokenizerKind } from "../../src/io/hugging-face.ts";
import { bytesOfCharacters } from "../../src/io/tokenizer/byte-characters.ts";
import type { Tokenizer } from "../../src/io/tokenizer.ts";

export type Files = ReadonlyMap<string, Uint8Array>;

const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

export function textFiles(files: Readonly<Record<string, string | object>>): Files {
  return new Map(
    Object.entries(files).map(([name, content]) => {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      return [name, new TextEncoder().encode(text)] as const;
    }),
  );
}

function addedToken(content: string, id: number): object {
  return {
    ...{ id, content, single_word: false, lstrip: false, rstrip: false },
    ...{ normalized: false, special: true },
  };
}

/** The files of a WordPiece tokenizer. */
export function wordPieceFiles(pieces: readonly string[]): Files {
  const tokens = [...SPECIAL, ...pieces];
  const special = (id: number) => ({ id: tokens[id], ids: [id], tokens: [tokens[id]] });
  const part = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const single = [part("[CLS]", 0), { Sequence: { id: "A", type_id: 0 } }, part("[SEP]", 0)];
  return textFiles({
    "vocab.txt": tokens.map((token) => `${token}\n`).join(""),
    "tokenizer.json": {
      version: "1.0",
      truncation: null,
      padding: { strategy: "BatchLongest", direction: "Right", pad_id: 0, pad_token: "[PAD]" },
      added_tokens: SPECIAL.map(addedToken),
      normalizer: { type: "Lowercase" },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: {
        type: "TemplateProcessing",
        single,
        pair: [...single, { Sequence: { id: "B", type_id: 1 } }, part("[SEP]", 1)],
        special_tokens: { "[CLS]": special(2), "[SEP]": special(3) },
      },
      decoder: null,
      model: {
        type: "WordPiece",
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      },
    },
  });
}

/** The files of a byte-level BPE tokenizer with RoBERTa's special tokens. */
export function bytePairFiles(merges: readonly (readonly [string, string])[]): Files {
  const special = ["<s>", "<pad>", "</s>", "<unk>"];
  const bytes = bytesOfCharacters().keys();
  const results = merges.map(([left, right]) => left + right);
  const tokens = [...new Set([...special, ...bytes, ...results]), "<mask>"];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true };
  return textFiles({
    "vocab.json": vocab,
    "merges.txt": ["#version: 0.2", ...merges.map((pair) => pair.join(" ")), ""].join("\n"),
    "tokenizer.json": {
      version: "1.0",
      added_tokens: [...special, "<mask>"].map((token) => addedToken(token, vocab[token] ?? 0)),
      normalizer: null,
      pre_tokenizer: { ...byteLevel, use_regex: true },
      post_processor: { type: "RobertaProcessing", cls: ["<s>", 0], sep: ["</s>", 2] },
      decoder: byteLevel,
      model: { type: "BPE", vocab, merges: merges.map((pair) => [...pair]) },
    },
    "tokenizer_config.json": {
      tokenizer_class: "RobertaTokenizer",
      added_tokens_decoder: Object.fromEntries(
        [...special, "<mask>"].map((token) => [
          String(vocab[token]),
          addedToken(token, vocab[token] ?? 0),
        ]),
      ),
    },
  });
}

/** A vocabulary before and after it has shrunk. */
export interface Shrunk {
  readonly before: Tokenizer;
  readonly after: Tokenizer;
  readonly files: Files;
  readonly choice: VocabularyChoice;
}

/** Shrinks the vocabulary of a tokenizer's files to the tokens of texts. */
export function shrunk(
  files: Files,
  texts: readonly string[],
  settings: { readonly keep?: number; readonly kind?: TokenizerKind } = {},
): Shrunk {
  const before = getOrThrow(readHuggingFaceTokenizer(files, settings.kind));
  const model = getOrThrow(shrinkableModel("tokenizer.json", before));
  const counter = countTokens(before, model);
  for (const text of texts) counter.add(text);
  const question = { tokenizer: before, model, use: counter.use, required: [], ...settings };
  const choice = chooseVocabulary(question);
  const isKept = (id: number): boolean => (choice.newIds[id] ?? -1) >= 0;
  const changed = renumberFiles(files, {
    tokens: before.vocabulary.tokens,
    newIds: choice.newIds,
    size: choice.kept.length,
    keepsMerge: model.type === "BPE" ? keptMerges(model, isKept) : () => true,
  });
  const renumbered = new Map([...files, ...getOrThrow(changed)]);
  const after = getOrThrow(readHuggingFaceTokenizer(renumbered, settings.kind));
  return { before, after, files: renumbered, choice };
}
