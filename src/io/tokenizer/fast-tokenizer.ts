/** Tokenizers of tokenizer.json, with the same ids as Hugging Face's `tokenizers` 0.22.2. */

import { splitTokens } from "./added-tokens.ts";
import type { AddedVocabulary } from "./added-vocabulary.ts";
import { wellFormed } from "./characters.ts";
import type { Decoder } from "./decoder.ts";
import { type Model, tokenizeWord } from "./model.ts";
import { type Normalizer, normalize } from "./normalizer.ts";
import { fillTemplate, type Ids, specialTokens, type Templates } from "./post-processor.ts";
import { type PreTokenizer, preTokenize } from "./pre-tokenizer.ts";
import type { Text } from "./text.ts";
import { keptTokens, type Side, truncated } from "./truncation.ts";

/** The steps from text to ids. */
export interface Pipeline {
  readonly normalizer: Normalizer | undefined;
  readonly preTokenizer: PreTokenizer | undefined;
  /** Converts the bytes of words to characters before the model tokenizes the words. */
  readonly writeBytes: ((word: string) => string) | undefined;
  readonly model: Model;
  readonly templates: Templates;
  readonly decoder: Decoder | undefined;
  readonly added: AddedVocabulary;
  readonly truncationSide: Side;
  /** A cache that maps words to their ids. */
  readonly memo: Map<string, readonly number[]>;
}

export interface EncodeOptions {
  /** The maximum number of tokens. Without it, nothing is truncated. */
  readonly maxLength?: number | undefined;
  /** Default true. */
  readonly addSpecialTokens?: boolean | undefined;
}

/** The number of words at which the cache is cleared, and the length of words that are not cached. */
const MEMO_WORDS = 1 << 17;
const MEMO_LENGTH = 256;

/**
 * Encodes a text or a pair. An empty second text makes a pair.
 *
 * @throws InputError if part of a text is not in the vocabulary and the model has no unknown token
 */
export function encodeFast(
  pipeline: Pipeline,
  text: string,
  textPair: string | undefined,
  { maxLength, addSpecialTokens = true }: EncodeOptions = {},
): Ids {
  const { templates, truncationSide } = pipeline;
  const first = textIds(pipeline, text);
  if (textPair === undefined) {
    const room = roomOf(templates.single, maxLength, addSpecialTokens);
    const kept = truncated(first, room, truncationSide);
    return fillTemplate(templates.single, [kept], addSpecialTokens);
  }
  const second = textIds(pipeline, textPair);
  const room = roomOf(templates.pair, maxLength, addSpecialTokens);
  const [a, b] = keptTokens(first.length, second.length, room);
  const texts = [truncated(first, a, truncationSide), truncated(second, b, truncationSide)];
  return fillTemplate(templates.pair, texts, addSpecialTokens);
}

/**
 * Returns the maximum number of tokens for the texts. As in `tokenizers`, nothing is truncated if the length leaves no
 * room for special tokens.
 */
function roomOf(
  template: Templates["single"],
  maxLength: number | undefined,
  addSpecialTokens: boolean,
): number {
  if (maxLength === undefined) return Number.POSITIVE_INFINITY;
  const room = addSpecialTokens ? maxLength - specialTokens(template) : maxLength;
  return room < 0 ? Number.POSITIVE_INFINITY : room;
}

/** Returns the ids of a text without special tokens around it. */
export function textIds(pipeline: Pipeline, input: string): readonly number[] {
  const ids: number[] = [];
  for (const part of addedAndOthers(pipeline, input)) {
    if (part.id !== undefined) ids.push(part.id);
    else
      for (const word of wordsOf(pipeline, part.text))
        for (const id of wordIds(pipeline, word.text)) ids.push(id);
  }
  return ids;
}

/** A part of a text with the ids of its tokens: an added token, or a word that the model tokenizes. */
export interface EncodedWord {
  readonly text: string;
  readonly isAdded: boolean;
  readonly ids: readonly number[];
}

/** Returns the parts of a text, without special tokens around them. Their ids together are those of {@link textIds}. */
export function encodedParts(pipeline: Pipeline, input: string): readonly EncodedWord[] {
  return addedAndOthers(pipeline, input).flatMap(({ id, text: part }): readonly EncodedWord[] => {
    if (id !== undefined) return [{ text: part.text, isAdded: true, ids: [id] }];
    return wordsOf(pipeline, part).map(({ text }) => {
      return { text, isAdded: false, ids: wordIds(pipeline, text) };
    });
  });
}

/** Splits a text at added tokens and normalizes the rest. */
function addedAndOthers(
  { normalizer, added }: Pipeline,
  input: string,
): readonly { readonly id: number | undefined; readonly text: Text }[] {
  const text = wellFormed(input);
  const head = (text.codePointAt(0) ?? 0) > 0xffff ? 2 : 1;
  return splitTokens(added.inText, { text, head }).flatMap((part) => {
    if (part.id !== undefined) return [part];
    const normalized = normalizer === undefined ? part.text : normalize(normalizer, part.text);
    return splitTokens(added.inNormalized, normalized);
  });
}

function wordsOf({ preTokenizer }: Pipeline, text: Text): readonly Text[] {
  return preTokenizer === undefined ? [text] : preTokenize(preTokenizer, text);
}

function wordIds({ memo, model, writeBytes }: Pipeline, word: string): readonly number[] {
  const known = memo.get(word);
  if (known !== undefined) return known;
  const found = tokenizeWord(model, writeBytes === undefined ? word : writeBytes(word));
  if (word.length > MEMO_LENGTH) return found;
  if (memo.size >= MEMO_WORDS) memo.clear();
  memo.set(word, found);
  return found;
}
