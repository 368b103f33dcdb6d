/** The models of tokenizer.json, which convert words to token ids. */
import type { BytePairModel } from "./bpe.ts";
import type { UnigramModel } from "./unigram.ts";
import { characterUnknown } from "./unknown.ts";

export interface WordPieceModel {
  readonly type: "WordPiece";
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly unknownToken: string;
  readonly continuingPrefix: string;
  readonly maxCharacters: number;
}

export interface WordLevelModel {
  readonly type: "WordLevel";
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly unknownToken: string;
}

export type Model = BytePairModel | UnigramModel | WordPieceModel | WordLevelModel;

/** Tokenizes a word that is not empty. @throws InputError if a part of it has no token */
export function tokenizeWord(model: Model, word: string): readonly number[] {
  switch (model.type) {
    case "WordPiece":
      return wordPieces(model, word);
    case "WordLevel":
      return [model.vocabulary.get(word) ?? unknownOf(model, word)];
    case "BPE":
    case "Unigram":
      return model.tokenize(word);
    default:
      return model satisfies never;
  }
}

function unknownOf(
  { vocabulary, unknownToken }: WordPieceModel | WordLevelModel,
  word: string,
): number {
  return vocabulary.get(unknownToken) ?? characterUnknown(word, unknownToken);
}

/** Takes the longest piece in the vocabulary, from the left. */
function wordPieces(model: WordPieceModel, word: string): readonly number[] {
  const { vocabulary, continuingPrefix, maxCharacters } = model;
  const { length } = word;
  if (length > maxCharacters && [...word].length > maxCharacters) return [unknownOf(model, word)];
  const pieces: number[] = [];
  for (let start = 0; start < length; ) {
    let end = length;
    let id: number | undefined;
    while (end > start) {
      const piece = word.slice(start, end);
      id = vocabulary.get(start > 0 ? continuingPrefix + piece : piece);
      if (id !== undefined) break;
      const unit = word.charCodeAt(end - 1);
      end -= unit >= 0xdc00 && unit < 0xe000 ? 2 : 1;
    }
    if (id === undefined) return [unknownOf(model, word)];
    pieces.push(id);
    start = end;
  }
  return pieces;
}
