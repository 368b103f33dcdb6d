/** Finds the matches of patterns in a text, and splits the text at them. */
import { slice, type Text } from "./text.ts";

/** What to match: literal text, or a regular expression with the flags `gu`. */
export type Pattern = string | RegExp;

/** A part of a text, and whether the pattern matches it. The parts of a text follow each other without gaps. */
export interface Part {
  start: number;
  end: number;
  readonly isMatch: boolean;
}

/** Returns the parts of a text that a pattern matches, and the parts between them. */
export function partsOf(pattern: Pattern, text: string): Part[] {
  if (text === "") return [{ start: 0, end: 0, isMatch: false }];
  const parts: Part[] = [];
  let last = 0;
  const found = typeof pattern === "string" && pattern !== "" ? literals : expressions;
  for (const [start, end] of found(pattern, text)) {
    if (start > last) parts.push({ start: last, end: start, isMatch: false });
    parts.push({ start, end, isMatch: true });
    last = end;
  }
  if (last < text.length) parts.push({ start: last, end: text.length, isMatch: false });
  return parts;
}

function* literals(pattern: Pattern, text: string): Iterable<readonly [number, number]> {
  const literal = String(pattern);
  for (let start = text.indexOf(literal); start >= 0; ) {
    const end = start + literal.length;
    yield [start, end];
    start = text.indexOf(literal, end);
  }
}

/** Finds matches like the iterator of the crate onig: no empty match directly after a match. */
function* expressions(pattern: Pattern, text: string): Iterable<readonly [number, number]> {
  const expression = typeof pattern === "string" ? /(?:)/gu : pattern;
  let lastEnd = -1;
  let from = 0;
  while (from <= text.length) {
    expression.lastIndex = from;
    const found = expression.exec(text);
    if (found === null) return;
    const end = found.index + found[0].length;
    // V8 finds empty matches between the two units of a character.
    if (isInsideCharacter(text, found.index)) {
      from = found.index + 1;
      continue;
    }
    if (end === found.index && end === lastEnd) {
      from += (text.codePointAt(from) ?? 0) > 0xffff ? 2 : 1;
      continue;
    }
    from = end;
    lastEnd = end;
    yield [found.index, end];
  }
}

function isInsideCharacter(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xdc00 && unit < 0xe000 && (text.codePointAt(index - 1) ?? 0) > 0xffff;
}

/** Returns the parts of a text for which a test of single characters holds, one for each character. */
export function characterParts(text: string, test: (codePoint: number) => boolean): Part[] {
  const parts: Part[] = [];
  let last = 0;
  let at = 0;
  for (const character of text) {
    const end = at + character.length;
    if (test(character.codePointAt(0) ?? 0)) {
      if (at > last) parts.push({ start: last, end: at, isMatch: false });
      parts.push({ start: at, end, isMatch: true });
      last = end;
    }
    at = end;
  }
  if (at > last) parts.push({ start: last, end: at, isMatch: false });
  return parts;
}

/** What happens to the matches when a text is split, named as in `tokenizers`. */
export const BEHAVIORS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;

export type Behavior = (typeof BEHAVIORS)[number];

/** Splits a text into the given parts, and treats the matches as `behavior` states. Empty parts are left out. */
export function splitText(text: Text, parts: readonly Part[], behavior: Behavior): Text[] {
  const pieces: Text[] = [];
  for (const { start, end } of behave(parts, behavior))
    if (end > start) pieces.push(slice(text, start, end));
  return pieces;
}

function behave(parts: readonly Part[], behavior: Behavior): readonly Part[] {
  switch (behavior) {
    case "Isolated":
      return parts;
    case "Removed":
      return parts.filter(({ isMatch }) => !isMatch);
    case "Contiguous":
      return merged(parts, (part, previous) => part.isMatch === previous, false);
    case "MergedWithPrevious":
      return merged(parts, (part, previous) => part.isMatch && !previous, false);
    case "MergedWithNext":
      return merged(parts, (part, previous) => part.isMatch && !previous, true);
    default:
      return behavior satisfies never;
  }
}

/** Joins each part for which `joins` returns true with the part before it, or, if `fromEnd` is true, after it. */
function merged(
  parts: readonly Part[],
  joins: (part: Part, previous: boolean) => boolean,
  fromEnd: boolean,
): readonly Part[] {
  const joined: Part[] = [];
  let previous = false;
  for (const part of fromEnd ? [...parts].reverse() : parts) {
    const last = joined.at(-1);
    if (last === undefined || !joins(part, previous)) joined.push({ ...part });
    else if (fromEnd) last.start = part.start;
    else last.end = part.end;
    previous = part.isMatch;
  }
  return fromEnd ? joined.reverse() : joined;
}

/** Replaces all matches. A replacement belongs to the last character that it replaces. */
export function replaceMatches({ text, head }: Text, pattern: Pattern, content: string): Text {
  let replaced = "";
  let newHead = 0;
  for (const { start, end, isMatch } of partsOf(pattern, text)) {
    const part = isMatch ? content : text.slice(start, end);
    replaced += part;
    if (head === 0) continue;
    if (!isMatch) newHead += Math.max(0, Math.min(end, head) - start);
    else if (end <= head) newHead += part.length;
  }
  return { text: replaced, head: newHead };
}
