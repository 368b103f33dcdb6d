/**
 * Decomposes characters with the tables of Unicode 9, by the algorithm of the crate that `tokenizers` uses.
 * Characters that Unicode assigned later are not changed. The decompositions of the others come from the engine:
 * Unicode's stability policy forbids that a later version changes them.
 */
import { unitsOf } from "./characters.ts";
import { DECOMPOSED, MARKS } from "./normalization.generated.ts";
import { once, rangesOf } from "./tables.ts";
import type { Text } from "./text.ts";

export type Decompositions = ReadonlyMap<number, readonly number[]>;

/** Refuses an engine without tables, or with others. */
function check(what: string, found: number, expected: number): void {
  if (found === expected) return;
  throw new Error(`normalize: expected ${expected} ${what} in Unicode 9, got ${found}`);
}

function* membersOf(table: string): Iterable<number> {
  const ranges = rangesOf(table);
  for (let i = 0; i + 1 < ranges.length; i += 2)
    for (let c = ranges[i] ?? 0; c <= (ranges[i + 1] ?? 0); c++) yield c;
}

/** Returns the characters that a form decomposes. @throws Error if the engine has no or other tables */
function decompositions(form: "NFD" | "NFKD", count: number): Decompositions {
  const table = new Map<number, readonly number[]>();
  for (const c of membersOf(DECOMPOSED)) {
    const character = String.fromCodePoint(c);
    const target = character.normalize(form);
    if (target !== character)
      table.set(
        c,
        Array.from(target, (one) => one.codePointAt(0) ?? 0),
      );
  }
  check(`characters that ${form} decomposes`, table.size, count);
  return table;
}

export const canonical: () => Decompositions = /* @__PURE__ */ once(() =>
  decompositions("NFD", 2060),
);

export const compatible: () => Decompositions = /* @__PURE__ */ once(() =>
  decompositions("NFKD", 5722),
);

/** The number of combining classes in Unicode 9, without 0. */
const CLASSES = 54;

/**
 * The ranks of the combining classes of marks. All other characters have rank 0. The order comes from the engine, too:
 * classes never change.
 */
export const ranks: () => ReadonlyMap<number, number> = /* @__PURE__ */ once(() => {
  const precedes = (a: string, b: string): boolean => (b + a).normalize("NFD") === a + b;
  /** A mark of each class, from the lowest class to the highest. */
  const classes: string[] = [];
  const found: (readonly [mark: number, sameClass: string])[] = [];
  for (const c of membersOf(MARKS)) {
    const mark = String.fromCodePoint(c);
    let low = 0;
    for (let high = classes.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (precedes(classes[middle] ?? "", mark)) low = middle + 1;
      else high = middle;
    }
    const next = classes[low];
    const isNew = next === undefined || precedes(mark, next);
    if (isNew) classes.splice(low, 0, mark);
    found.push([c, isNew ? mark : next]);
  }
  check("combining classes", classes.length, CLASSES);
  return new Map(found.map(([c, sameClass]) => [c, classes.indexOf(sameClass) + 1]));
});

export const HANGUL = {
  first: 0xac00,
  count: 11172,
  lead: 0x1100,
  vowel: 0x1161,
  tail: 0x11a7,
} as const;
export const LEADS = 19;
export const VOWELS = 21;
export const TAILS = 28;

/**
 * Characters with their changes: 0 for a character that replaces one, 1 for an added one, and -n for one that replaces
 * one and removes the n after it.
 */
export interface Changed {
  readonly codePoints: number[];
  readonly changes: number[];
}

/** Decomposes a text and brings marks into the order of their classes. */
export function decompose(text: string, table: Decompositions): Changed {
  const changed: Changed = { codePoints: [], changes: [] };
  const { codePoints, changes } = changed;
  /** The ranks of the marks after the last starter. */
  let marks: number[] = [];
  const push = (c: number, change: number): void => {
    const rank = rankOf(c);
    if (rank > 0) marks.push(rank);
    else {
      if (marks.length > 1) sortMarks(changed, marks);
      if (marks.length > 0) marks = [];
    }
    codePoints.push(c);
    changes.push(change);
  };
  for (const character of text) {
    const c = character.codePointAt(0) ?? 0;
    const syllable = c - HANGUL.first;
    if (syllable >= 0 && syllable < HANGUL.count) {
      push(HANGUL.lead + Math.floor(syllable / (VOWELS * TAILS)), 0);
      push(HANGUL.vowel + Math.floor((syllable % (VOWELS * TAILS)) / TAILS), 1);
      if (syllable % TAILS > 0) push(HANGUL.tail + (syllable % TAILS), 1);
      continue;
    }
    const target = c < 0xa0 ? undefined : table.get(c);
    if (target === undefined) push(c, 0);
    else for (let i = 0; i < target.length; i++) push(target[i] ?? 0, i === 0 ? 0 : 1);
  }
  if (marks.length > 1) sortMarks(changed, marks);
  return changed;
}

/** Sorts the last characters by their ranks. Equal ranks keep their order. */
function sortMarks({ codePoints, changes }: Changed, marks: readonly number[]): void {
  if (marks.every((rank, i) => i === 0 || rank >= (marks[i - 1] ?? 0))) return;
  const begin = codePoints.length - marks.length;
  const order = marks.map((_, i) => i).sort((a, b) => (marks[a] ?? 0) - (marks[b] ?? 0));
  const sorted = order.map((i) => [codePoints[begin + i] ?? 0, changes[begin + i] ?? 0] as const);
  for (const [i, [c, change]] of sorted.entries()) {
    codePoints[begin + i] = c;
    changes[begin + i] = change;
  }
}

export function rankOf(codePoint: number): number {
  return codePoint < 0x300 ? 0 : (ranks().get(codePoint) ?? 0);
}

/**
 * Returns the number of code units that come from the first character of the input. As in `tokenizers`, an added
 * character belongs to the character before it, and a replacement to the next character of the old text.
 */
export function headAfter({ codePoints, changes }: Changed, before: string, head: number): number {
  if (head === 0) return 0;
  const oldHead = [...before.slice(0, head)].length;
  let used = 0;
  let units = 0;
  for (const [index, c] of codePoints.entries()) {
    const change = changes[index] ?? 0;
    const source = change > 0 ? Math.max(0, used - 1) : used;
    if (source >= oldHead) break;
    units += unitsOf(c);
    if (change <= 0) used += 1 - change;
  }
  return units;
}

/** Returns the number of code units before the first one from `first` on. */
export function unchangedUnits(text: string, first: number): number {
  let index = 0;
  while (index < text.length && text.charCodeAt(index) < first) index++;
  return index;
}

/** The text of changed characters. */
export function changedText(changed: Changed, { text, head }: Text): Text {
  let result = "";
  for (const c of changed.codePoints) result += String.fromCodePoint(c);
  return { text: result, head: headAfter(changed, text, head) };
}

/** Applies the normal form NFD. */
export function decomposed(text: Text): Text {
  if (unchangedUnits(text.text, 0xc0) === text.text.length) return text;
  return changedText(decompose(text.text, canonical()), text);
}
