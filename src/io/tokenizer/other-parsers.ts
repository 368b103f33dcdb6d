/**
 * The parts of tokenizer.json that BERT's tokenizers do not have. Their code is passed in, so that a small program can
 * load it only for a file that has such parts.
 */
import type { BytePairModel } from "./bpe.ts";
import type { Decoder } from "./decoder.ts";
import type { Fields } from "./json-fields.ts";
import type { OtherNormalizer } from "./normalizer.ts";
import type { OtherPreTokenizer } from "./pre-tokenizer.ts";
import type { UnigramModel } from "./unigram.ts";

/** The parsers of one kind of part. */
export interface PartParsers<T> {
  /** The types that are known, for problems. */
  readonly types: readonly string[];
  /** Returns undefined for another type. Problems are added to `fields.problems`. */
  readonly parse: (type: string, fields: Fields) => T | undefined;
}

/** The code of all other parts. */
export interface OtherParts {
  readonly models: PartParsers<BytePairModel | UnigramModel>;
  readonly normalizers: PartParsers<OtherNormalizer>;
  readonly preTokenizers: PartParsers<OtherPreTokenizer>;
  /** Problems are added to `fields.problems`. Decoders are used only to convert ids to text. */
  readonly decoder: (fields: Fields) => Decoder;
  /** Whether a code point belongs to a word, for added tokens that match single words. */
  readonly isWord: (codePoint: number) => boolean;
}

/** The code of other parts, or null to refuse such parts, except for decoders, which are then ignored. */
export type Others = OtherParts | null;

/** Makes the parsers of one kind of part from those of each type. */
export function partParsers<T>(
  parsers: Readonly<Record<string, (fields: Fields) => T>>,
): PartParsers<T> {
  return {
    types: Object.keys(parsers),
    parse: (type, fields) => (Object.hasOwn(parsers, type) ? parsers[type]?.(fields) : undefined),
  };
}

/** What a problem states for a part of unknown type. */
export function expectedTypes<T>(
  own: readonly string[],
  others: PartParsers<T> | undefined,
): string {
  return `one of ${[...own, ...(others?.types ?? [])].join(", ")}`;
}
