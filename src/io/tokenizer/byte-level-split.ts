/**
 * Splits text by the regular expression of GPT-2:
 * `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
 */
import { characterFlags, FLAG } from "./characters.ts";
import type { Part } from "./matches.ts";
import { WORD_FLAG, wordFlags } from "./word-characters.ts";

const SPACE = 0x20;
const APOSTROPHE = 0x27;

/** The kind of white space, which is neither a letter nor a number. */
const SPACES = -1;

/** Returns the parts of a text. The expression matches every character. */
export function byteLevelParts(text: string): readonly Part[] {
  const parts: Part[] = [];
  for (let start = 0; start < text.length; ) {
    const end = endOfMatch(text, start);
    parts.push({ start, end, isMatch: true });
    start = end;
  }
  return parts;
}

function endOfMatch(text: string, start: number): number {
  const unit = text.charCodeAt(start);
  if (unit === APOSTROPHE) {
    const end = endOfContraction(text, start + 1);
    if (end > 0) return end;
  }
  const afterSpace = unit === SPACE ? start + 1 : start;
  if (afterSpace < text.length) {
    const kind = kindOf(text.codePointAt(afterSpace) ?? 0);
    if (kind !== SPACES) return endOfRun(text, afterSpace, kind);
  }
  // Whitespace. The last whitespace character before another character is left to the next part.
  const end = endOfRun(text, start, SPACES);
  return end === text.length || end === start + 1 ? end : end - 1;
}

function endOfContraction(text: string, at: number): number {
  const two = text.slice(at, at + 2);
  if (two === "re" || two === "ve" || two === "ll") return at + 2;
  const one = two.slice(0, 1);
  return one === "s" || one === "t" || one === "m" || one === "d" ? at + 1 : 0;
}

function kindOf(codePoint: number): number {
  if ((characterFlags(codePoint) & FLAG.space) !== 0) return SPACES;
  return wordFlags(codePoint) & (WORD_FLAG.letter | WORD_FLAG.number);
}

function endOfRun(text: string, start: number, kind: number): number {
  let at = start;
  while (at < text.length) {
    const c = text.codePointAt(at) ?? 0;
    if (kindOf(c) !== kind) break;
    at += c > 0xffff ? 2 : 1;
  }
  return at;
}
