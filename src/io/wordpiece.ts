/**
 * WordPiece (Schuster and Nakajima, "Japanese and Korean voice search", ICASSP 2012): cuts a word into the longest
 * vocabulary entries that match from the left. Pieces after the first carry `##`.
 */
import type { Vocabulary } from "./vocabulary.ts";

/** Mark of a piece that continues a word. */
export const CONTINUATION: "##" = "##";

/** Words with more characters (code points) than this are unknown. */
const MAX_WORD_CHARACTERS = 100;

/** The same in UTF-16 code units: a longer word has more characters. */
export const MAX_WORD_UNITS: number = 2 * MAX_WORD_CHARACTERS;

/** Ids of the word's pieces, or of the unknown token if no cut exists or the word is too long. */
export function wordPieces(vocabulary: Vocabulary, word: string): number[] {
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
