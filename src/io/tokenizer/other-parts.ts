/** The code of the parts of tokenizer.json that BERT's tokenizers do not have, with their tables. */
import type { BytePairModel } from "./bpe.ts";
import { OTHER_NORMALIZERS } from "./other-normalizers.ts";
import { type OtherParts, partParsers } from "./other-parsers.ts";
import { isWord, OTHER_PRE_TOKENIZERS } from "./other-pre-tokenizers.ts";
import { parseBytePairs } from "./parse-byte-pairs.ts";
import { parseDecoder } from "./parse-decoder.ts";
import { parseUnigram } from "./parse-unigram.ts";
import type { UnigramModel } from "./unigram.ts";

const OTHER_MODELS: OtherParts["models"] = /* @__PURE__ */ partParsers<
  BytePairModel | UnigramModel
>({
  BPE: parseBytePairs,
  Unigram: parseUnigram,
});

export const OTHER_PARTS: OtherParts = {
  models: OTHER_MODELS,
  normalizers: OTHER_NORMALIZERS,
  preTokenizers: OTHER_PRE_TOKENIZERS,
  decoder: parseDecoder,
  isWord,
};
