/** Converts text to token ids and back, with the same ids as transformers' BertTokenizer. */
import { checkInteger, checkKind } from "../core/checks.ts";
import { getOrThrow } from "../core/either.ts";
import { parseVocabulary, SPECIAL_TOKENS, type Vocabulary } from "./vocabulary.ts";
import { CONTINUATION, MAX_WORD_UNITS, wordPieces } from "./wordpiece.ts";
import { splitWords, type WordOptions } from "./words.ts";

/** A tokenizer: a vocabulary, and the options for normalisation. */
export interface Tokenizer {
  readonly vocabulary: Vocabulary;
  readonly options: WordOptions;
  /** A cache that maps words to the ids of their pieces. */
  readonly memo: Map<string, readonly number[]>;
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
export function createTokenizer(vocabText: string, options: Partial<WordOptions> = {}): Tokenizer {
  return tokenizerOf(getOrThrow(parseVocabulary("vocabulary", vocabText)), options);
}

export function tokenizerOf(vocabulary: Vocabulary, options: Partial<WordOptions> = {}): Tokenizer {
  const lowercase = options.lowercase ?? true;
  const stripAccents = options.stripAccents ?? lowercase;
  const splitChinese = options.splitChinese ?? true;
  return {
    vocabulary,
    options: Object.freeze({ lowercase, stripAccents, splitChinese }),
    memo: new Map(),
  };
}

/**
 * Encodes a text or a pair of texts: `[CLS] text [SEP]` or `[CLS] text [SEP] pair [SEP]`. Special tokens that occur in
 * a text are kept as such. If `maxLength` is given, last tokens are removed from the longer text, or from the second
 * text on a tie, until the input fits. As in transformers, special tokens are never removed, and a `maxLength` of 1 or
 * 2 does not shorten a single text.
 */
export function encode(
  tokenizer: Tokenizer,
  text: string,
  textPair?: string,
  maxLength?: number,
): Encoding {
  if (maxLength !== undefined) checkInteger("maxLength", maxLength, 1);
  const first = tokenIds(tokenizer, "text", text);
  const second = textPair === undefined ? undefined : tokenIds(tokenizer, "textPair", textPair);
  const [firstLength, secondLength] = keptLengths(first.length, second?.length, maxLength);
  const { classification, separator } = tokenizer.vocabulary.special;
  const head = [classification, ...first.slice(0, firstLength), separator];
  const tail = second === undefined ? [] : [...second.slice(0, secondLength), separator];
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

/** Splits a text into normalised words and special tokens. */
export function wordsAndSpecials(tokenizer: Tokenizer, text: string): string[] {
  return text
    .split(SPECIAL_PATTERN)
    .flatMap((part) => (SPECIAL_SET.has(part) ? [part] : splitWords(part, tokenizer.options)));
}

function tokenIds(tokenizer: Tokenizer, name: string, text: string): number[] {
  checkKind(typeof text === "string", name, "a string", text);
  return wordsAndSpecials(tokenizer, text).flatMap((word) => pieces(tokenizer, word));
}

function pieces({ memo, vocabulary }: Tokenizer, word: string): readonly number[] {
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
  const { tokens } = tokenizer.vocabulary;
  const kept: string[] = [];
  for (const [index, id] of Array.from(ids).entries()) {
    checkInteger(`ids[${index}]`, id, 0, tokens.length - 1);
    const token = tokens[id] as string;
    if (SPECIAL_SET.has(token) && (options.skipSpecialTokens ?? true)) continue;
    kept.push(token);
  }
  const text = kept.join(" ").replaceAll(` ${CONTINUATION}`, "").trim();
  if (options.cleanUpSpaces !== true) return text;
  return text
    .replace(/ ([.?!,])/g, "$1")
    .replaceAll(" ' ", "'")
    .replace(/ (n't|'m|'s|'ve|'re)/g, "$1");
}
