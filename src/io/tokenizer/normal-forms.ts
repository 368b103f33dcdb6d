/** Unicode's normal forms, with the decompositions of Unicode 9. */

import {
  type Changed,
  canonical,
  changedText,
  compatible,
  decompose,
  decomposed,
  HANGUL,
  LEADS,
  rankOf,
  TAILS,
  unchangedUnits,
  VOWELS,
} from "./decompositions.ts";
import { once } from "./tables.ts";
import type { Text } from "./text.ts";

export type NormalForm = "NFC" | "NFD" | "NFKC" | "NFKD";

/** The composed character of each second and first character. */
const compositions: () => ReadonlyMap<number, ReadonlyMap<number, number>> = /* @__PURE__ */ once(
  () => {
    const pairs = new Map<number, Map<number, number>>();
    // Unicode excludes some characters from composition for all time.
    const composed = [...canonical()].filter(
      ([c, target]) => target.length > 1 && isComposed(String.fromCodePoint(c)),
    );
    for (const [c, target] of composed.sort(([, a], [, b]) => a.length - b.length)) {
      let first = target[0] ?? 0;
      for (const second of target.slice(1, -1)) first = pairs.get(second)?.get(first) ?? first;
      const second = target.at(-1) ?? 0;
      const bySecond = pairs.get(second) ?? new Map<number, number>();
      pairs.set(second, bySecond.set(first, c));
    }
    return pairs;
  },
);

function isComposed(character: string): boolean {
  return character.normalize("NFC") === character;
}

function compose(first: number, second: number): number | undefined {
  const lead = first - HANGUL.lead;
  const vowel = second - HANGUL.vowel;
  if (lead >= 0 && lead < LEADS && vowel >= 0 && vowel < VOWELS)
    return HANGUL.first + (lead * VOWELS + vowel) * TAILS;
  const syllable = first - HANGUL.first;
  const tail = second - HANGUL.tail;
  if (
    syllable >= 0 &&
    syllable < HANGUL.count &&
    syllable % TAILS === 0 &&
    tail > 0 &&
    tail < TAILS
  )
    return first + tail;
  return compositions().get(second)?.get(first);
}

/** Composes decomposed characters. */
function recompose({ codePoints, changes }: Changed): Changed {
  const composed: Changed = { codePoints: [], changes: [] };
  const emit = (c: number, change: number): void => {
    composed.codePoints.push(c);
    composed.changes.push(change);
  };
  let base = -1;
  let baseChange = 0;
  let lastRank = -1;
  let waiting: (readonly [number, number])[] = [];
  for (const [index, c] of codePoints.entries()) {
    const change = changes[index] ?? 0;
    const rank = rankOf(c);
    if (base < 0) {
      if (rank > 0) emit(c, change);
      else [base, baseChange] = [c, change];
      continue;
    }
    const blocked = lastRank >= rank;
    const pair = blocked ? undefined : compose(base, c);
    if (pair !== undefined) {
      base = pair;
      baseChange += change - 1;
    } else if (rank > 0) {
      waiting.push([c, change]);
      lastRank = rank;
    } else {
      emit(base, baseChange);
      for (const mark of waiting) emit(...mark);
      waiting = [];
      lastRank = -1;
      [base, baseChange] = [c, change];
    }
  }
  if (base >= 0) emit(base, baseChange);
  for (const mark of waiting) emit(...mark);
  return composed;
}

/** The first code point that each normal form can change. */
const FIRST_CHANGED: Readonly<Record<Exclude<NormalForm, "NFD">, number>> = {
  NFC: 0x300,
  NFKC: 0xa0,
  NFKD: 0xa0,
};

/** Applies a normal form. */
export function normalForm(form: NormalForm, text: Text): Text {
  if (form === "NFD") return decomposed(text);
  if (unchangedUnits(text.text, FIRST_CHANGED[form]) === text.text.length) return text;
  const isCompatible = form === "NFKC" || form === "NFKD";
  const parts = decompose(text.text, isCompatible ? compatible() : canonical());
  return changedText(form === "NFKD" ? parts : recompose(parts), text);
}
