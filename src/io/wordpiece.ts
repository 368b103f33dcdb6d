/**
 * Splits words into pieces by WordPiece (Schuster and Nakajima, "Japanese and Korean voice search", ICASSP 2012): from
 * the left, always the longest piece that is in the vocabulary. Pieces after the first have the prefix `##`.
 */
import type { WordPieceVocabulary } from "./vocabulary.ts";

/** The prefix of a piece that continues a word. */
export const CONTINUATION: "##" = "##";

/** The maximum number of code points in a word. Longer words become the unknown token. */
export const MAX_WORD_CHARACTERS: number = 100;

/** A word with more UTF-16 code units has more than {@link MAX_WORD_CHARACTERS} code points. */
export const MAX_WORD_UNITS: number = 2 * MAX_WORD_CHARACTERS;

/** Returns the ids of a word's pieces, or the id of the unknown token if the word is too long or cannot be split. */
export function wordPieces(vocabulary: WordPieceVocabulary, word: string): number[] {
  const unknown = [vocabulary.special.unknown];
  if (word.length > MAX_WORD_UNITS) return unknown;
  const characters = [...word];
  if (characters.length > MAX_WORD_CHARACTERS) return unknown;
  const pieces: number[] = [];
  let start = 0;
  while (start < characters.length) {
    let end = characters.length;
    let id: number | undefined;
    while (id === undefined && end > start) {
      const piece = characters.slice(start, end).join("");
      id = vocabulary.ids.get(start > 0 ? CONTINUATION + piece : piece);
      end--;
    }
    if (id === undefined) return unknown;
    pieces.push(id);
    start = end + 1;
  }
  return pieces;
}
