/** Sets of code points as sorted lists of ranges. */
import { LAST_CODE_POINT, type Ranges } from "./characters.ts";

/** Returns the union of sets. */
export function union(...sets: readonly Ranges[]): Ranges {
  const pairs: (readonly [number, number])[] = [];
  for (const set of sets)
    for (let i = 0; i + 1 < set.length; i += 2) pairs.push([set[i] ?? 0, set[i + 1] ?? 0]);
  pairs.sort(([a], [b]) => a - b);
  const joined: number[] = [];
  for (const [first, last] of pairs) {
    const end = joined.at(-1) ?? -2;
    if (first > end + 1 || joined.length === 0) joined.push(first, last);
    else if (last > end) joined[joined.length - 1] = last;
  }
  return joined;
}

/** Returns the code points that are not in a set. */
export function complement(set: Ranges): Ranges {
  const rest: number[] = [];
  let next = 0;
  for (let i = 0; i + 1 < set.length; i += 2) {
    const first = set[i] ?? 0;
    if (first > next) rest.push(next, first - 1);
    next = (set[i + 1] ?? 0) + 1;
  }
  if (next <= LAST_CODE_POINT) rest.push(next, LAST_CODE_POINT);
  return rest;
}

/** Returns the code points that are in both sets. */
export function intersection(a: Ranges, b: Ranges): Ranges {
  return complement(union(complement(a), complement(b)));
}

/** Returns the code points that are in exactly one of two sets. */
export function difference(a: Ranges, b: Ranges): Ranges {
  return union(intersection(a, complement(b)), intersection(b, complement(a)));
}

/** Writes a set as a class of a regular expression with the flag `u`. */
export function formatClass(set: Ranges): string {
  const rest = complement(set);
  const isNegated = rest.length < set.length;
  const escaped = (c: number): string => `\\u{${c.toString(16)}}`;
  let body = "";
  const shown = isNegated ? rest : set;
  for (let i = 0; i + 1 < shown.length; i += 2) {
    const [first = 0, last = 0] = [shown[i], shown[i + 1]];
    body += first === last ? escaped(first) : `${escaped(first)}-${escaped(last)}`;
  }
  return `[${isNegated ? "^" : ""}${body}]`;
}
