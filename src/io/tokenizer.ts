/** Converts text to token ids and back, with the same ids as transformers. */
import {
  checkInteger,
  checkKind,
  checkObject,
  checkOptions,
  checkString,
  succeeds,
} from "../core/checks.ts";
import { getOrThrow } from "../core/either.ts";
import { NO_ADDED_TOKENS, type SlowAddedTokens, splitAtAddedTokens } from "./slow-added-tokens.ts";
import { decodeFast } from "./tokenizer/decoder.ts";
import {
  type EncodedWord,
  type EncodeOptions,
  encodedParts,
  encodeFast,
  type Pipeline,
} from "./tokenizer/fast-tokenizer.ts";
import { type Side, truncated } from "./tokenizer/truncation.ts";
import {
  parseVocabulary,
  SPECIAL_TOKENS,
  type Vocabulary,
  type WordPieceVocabulary,
} from "./vocabulary.ts";
import { CONTINUATION, MAX_WORD_UNITS, wordPieces } from "./wordpiece.ts";
import { splitWords, type WordOptions } from "./words.ts";

/**
 * A slow tokenizer, read from vocab.txt, or a fast one, read from tokenizer.json. `slow` and `fast` are transformers'
 * names. Each kind gives the same ids as that kind of tokenizer in transformers.
 */
export type Tokenizer = SlowTokenizer | FastTokenizer;

interface TokenizerFacts {
  /** The length to which transformers truncates by default, if the files state it. */
  readonly maxLength: number | undefined;
  /** The files of the tokenizer, if they are to be copied when it is saved. */
  readonly files: ReadonlyMap<string, Uint8Array> | undefined;
}

/** A WordPiece vocabulary with the options for normalisation. */
export interface SlowTokenizer extends TokenizerFacts {
  readonly kind: "slow";
  readonly vocabulary: WordPieceVocabulary;
  readonly options: WordOptions;
  readonly added: SlowAddedTokens;
  readonly truncationSide: Side;
  /** A cache that maps words to the ids of their pieces. */
  readonly memo: Map<string, readonly number[]>;
}

/** The steps of a tokenizer.json. */
export interface FastTokenizer extends TokenizerFacts {
  readonly kind: "fast";
  readonly vocabulary: Vocabulary;
  readonly pipeline: Pipeline;
}

/**
 * The input of a model: token ids and token types. The type of a token is 0 in the first text and 1 in the second text.
 */
export interface Encoding {
  readonly inputIds: Int32Array;
  readonly tokenTypeIds: Int32Array;
}

/** The number of words at which the cache is cleared. */
const MEMO_WORDS = 1 << 17;

/**
 * Makes a tokenizer from the text of a vocab.txt.
 *
 * @throws InputError with every problem of the vocabulary
 *
 * @example
 * ```ts
 * import { createTokenizer, decode, encode } from "espalier/io";
 *
 * const tokenizer = createTokenizer("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nprun\n##ed\ntrees\n");
 * const { inputIds, tokenTypeIds } = encode(tokenizer, "Pruned", "TREES");
 * if (inputIds.join() !== "2,5,6,3,7,3") throw new Error(`unexpected ids ${inputIds}`);
 * if (tokenTypeIds.join() !== "0,0,0,0,1,1") throw new Error(`unexpected types ${tokenTypeIds}`);
 * if (decode(tokenizer, inputIds) !== "pruned trees") throw new Error("unexpected text");
 * ```
 */
export function createTokenizer(
  vocabText: string,
  options: Partial<WordOptions> = {},
): SlowTokenizer {
  checkString("vocabText", vocabText);
  checkOptions("options", options, ["lowercase", "stripAccents", "splitChinese"]);
  return tokenizerOf(getOrThrow(parseVocabulary("vocabulary", vocabText)), options);
}

export function tokenizerOf(
  vocabulary: WordPieceVocabulary,
  options: Partial<WordOptions> = {},
  settings: Partial<Pick<SlowTokenizer, "added" | "truncationSide" | "maxLength" | "files">> = {},
): SlowTokenizer {
  const lowercase = options.lowercase ?? true;
  const stripAccents = options.stripAccents ?? lowercase;
  const splitChinese = options.splitChinese ?? true;
  return {
    kind: "slow",
    vocabulary,
    options: Object.freeze({ lowercase, stripAccents, splitChinese }),
    added: settings.added ?? NO_ADDED_TOKENS,
    truncationSide: settings.truncationSide ?? "right",
    maxLength: settings.maxLength,
    files: settings.files,
    memo: new Map(),
  };
}

/**
 * Encodes a text or a pair of texts, as in transformers with `truncation=True` if `maxLength` is given. BERT's input is
 * `[CLS] text [SEP]` or `[CLS] text [SEP] pair [SEP]`. Special tokens that occur in a text are kept as such, and those
 * around the texts are never removed. An empty `textPair` makes a pair, as in a batch of transformers.
 *
 * If a pair is too long, a slow tokenizer removes tokens from the longer text, or from the second one on a tie. A fast
 * tokenizer keeps a text whole if it needs at most half of the available length. Otherwise the shorter text, or the
 * first one on a tie, gets half of that length. If `maxLength` leaves no room for special tokens, texts are not
 * truncated.
 */
export function encode(
  tokenizer: Tokenizer,
  text: string,
  textPair?: string,
  maxLength?: number,
): Encoding {
  checkTokenizer(tokenizer);
  checkKind(typeof text === "string", "text", "a string", text);
  if (textPair !== undefined)
    checkKind(typeof textPair === "string", "textPair", "a string", textPair);
  if (maxLength !== undefined) checkInteger("maxLength", maxLength, 1);
  return encodeWith(tokenizer, text, textPair, { maxLength });
}

/** Encodes texts, with or without special tokens around them. The arguments must already be checked. */
export function encodeWith(
  tokenizer: Tokenizer,
  text: string,
  textPair: string | undefined,
  options: EncodeOptions,
): Encoding {
  if (tokenizer.kind === "slow") return encodeSlow(tokenizer, text, textPair, options);
  const ids = encodeFast(tokenizer.pipeline, text, textPair, options);
  return {
    inputIds: Int32Array.from(ids.inputIds),
    tokenTypeIds: Int32Array.from(ids.tokenTypeIds),
  };
}

function encodeSlow(
  tokenizer: SlowTokenizer,
  text: string,
  textPair: string | undefined,
  { maxLength, addSpecialTokens = true }: EncodeOptions,
): Encoding {
  const side = tokenizer.truncationSide;
  const first = tokenIds(tokenizer, text);
  const second = textPair === undefined ? undefined : tokenIds(tokenizer, textPair);
  const [firstLength, secondLength] = keptLengths(
    first.length,
    second?.length,
    addSpecialTokens ? maxLength : maxLength && maxLength + (second === undefined ? 2 : 3),
  );
  const { special } = tokenizer.vocabulary;
  const start = addSpecialTokens ? [special.classification] : [];
  const end = addSpecialTokens ? [special.separator] : [];
  const head = [...start, ...truncated(first, firstLength, side), ...end];
  const tail = second === undefined ? [] : [...truncated(second, secondLength, side), ...end];
  const inputIds = Int32Array.from([...head, ...tail]);
  return { inputIds, tokenTypeIds: new Int32Array(inputIds.length).fill(1, head.length) };
}

/**
 * Returns how many tokens of each text to keep, as `longest_first` truncation in transformers does. A single text has 2
 * special tokens, a pair has 3.
 */
function keptLengths(
  first: number,
  second: number | undefined,
  maxLength: number = Number.POSITIVE_INFINITY,
): readonly [number, number] {
  if (second === undefined) return [maxLength > 2 ? Math.min(first, maxLength - 2) : first, 0];
  let a = first;
  let b = second;
  while (a + b > 0 && a + b + 3 > maxLength) {
    if (a > b) a--;
    else b--;
  }
  return [a, b];
}

const SPECIAL_SET: ReadonlySet<string> = new Set(Object.values(SPECIAL_TOKENS));

/** Matches special tokens. The capturing group keeps them in the result of a split. */
const SPECIAL_PATTERN: RegExp = /(\[(?:PAD|UNK|CLS|SEP|MASK)\])/;

/** Splits a text into normalised words and BERT's special tokens. */
export function wordsAndSpecials(tokenizer: SlowTokenizer, text: string): string[] {
  const { options } = tokenizer;
  // Removed control characters can make a special token out of a part, but not after conversion to lower case.
  const kept = options.lowercase ? undefined : SPECIAL_SET;
  return text
    .split(SPECIAL_PATTERN)
    .flatMap((part) => (SPECIAL_SET.has(part) ? [part] : splitWords(part, options, kept)));
}

/** Splits a text into words, added tokens and their ids. */
function wordsAndIds(tokenizer: SlowTokenizer, text: string): (number | string)[] {
  const { added, options } = tokenizer;
  if (added === NO_ADDED_TOKENS) return wordsAndSpecials(tokenizer, text);
  return splitAtAddedTokens(added, text, options.lowercase).flatMap(
    (part): readonly (number | string)[] =>
      typeof part === "number" ? [part] : splitWords(part, options, added.special),
  );
}

/** Returns the words and the added tokens of a text, with their ids. Special tokens around the text are left out. */
export function encodedWords(tokenizer: Tokenizer, text: string): readonly EncodedWord[] {
  if (tokenizer.kind === "fast") return encodedParts(tokenizer.pipeline, text);
  return wordsAndIds(tokenizer, text).map((word) => {
    if (typeof word === "string")
      return { text: word, isAdded: false, ids: pieces(tokenizer, word) };
    return { text: tokenizer.vocabulary.tokens[word] ?? "", isAdded: true, ids: [word] };
  });
}

function checkTokenizer(tokenizer: Tokenizer): void {
  checkObject("tokenizer", tokenizer, "vocabulary", "kind");
  checkObject("tokenizer.vocabulary", tokenizer.vocabulary, "tokens");
}

function tokenIds(tokenizer: SlowTokenizer, text: string): number[] {
  return wordsAndIds(tokenizer, text).flatMap((word) =>
    typeof word === "number" ? [word] : pieces(tokenizer, word),
  );
}

function pieces({ memo, vocabulary }: SlowTokenizer, word: string): readonly number[] {
  const known = memo.get(word);
  if (known !== undefined) return known;
  const found = wordPieces(vocabulary, word);
  if (word.length > MAX_WORD_UNITS) return found;
  if (memo.size >= MEMO_WORDS) memo.clear();
  memo.set(word, found);
  return found;
}

/** Options for {@link decode}. */
interface DecodeOptions {
  /** Whether to drop special tokens. Default true. */
  readonly skipSpecialTokens?: boolean;
  /** Whether to remove spaces before punctuation and contractions, like transformers. Default false. */
  readonly cleanUpSpaces?: boolean;
}

/** Converts token ids to text. Pieces are joined into words, and words are separated by spaces. */
export function decode(
  tokenizer: Tokenizer,
  ids: ArrayLike<number>,
  options: DecodeOptions = {},
): string {
  checkTokenizer(tokenizer);
  checkOptions("options", options, ["skipSpecialTokens", "cleanUpSpaces"]);
  const isList = succeeds(() => (ArrayBuffer.isView(ids) || Array.isArray(ids)) && ids.length >= 0);
  checkKind(isList, "ids", "an array of token ids", ids);
  const { tokens } = tokenizer.vocabulary;
  const skips = options.skipSpecialTokens ?? true;
  const kept: string[] = [];
  for (let index = 0; index < ids.length; index++) {
    const id = ids[index];
    checkInteger(`ids[${index}]`, id, 0, tokens.length - 1);
    const token = tokens[id] as string;
    if (skips && isSpecial(tokenizer, token, id)) continue;
    kept.push(token);
  }
  const text =
    tokenizer.kind === "fast"
      ? decodeFast(tokenizer.pipeline.decoder, kept)
      : kept.join(" ").replaceAll(` ${CONTINUATION}`, "").trim();
  if (options.cleanUpSpaces !== true) return text;
  return text
    .replace(/ ([.?!,])/g, "$1")
    .replaceAll(" ' ", "'")
    .replace(/ (n't|'m|'s|'ve|'re)/g, "$1");
}

function isSpecial(tokenizer: Tokenizer, token: string, id: number): boolean {
  return tokenizer.kind === "fast"
    ? tokenizer.pipeline.added.tokens.get(id)?.special === true
    : SPECIAL_SET.has(token);
}
