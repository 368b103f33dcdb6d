/** The character classes of regular expressions, as ranges. */

import { categoryRanges } from "./categories.ts";
import * as DATA from "./characters.generated.ts";
import { LAST_CODE_POINT, type Ranges } from "./characters.ts";
import { match, next, peek, type Reader, take, unsupported } from "./expression-reader.ts";
import { complement, difference, intersection, union } from "./ranges.ts";
import { rangesOf } from "./tables.ts";

const CONTROLS: Readonly<Record<string, number>> = {
  n: 10,
  r: 13,
  t: 9,
  f: 12,
  v: 11,
  a: 7,
  e: 27,
};

const ASCII_RANGES = {
  hexadecimal: [0x30, 0x39, 0x41, 0x46, 0x61, 0x66],
} as const;

/** Returns `\w` outside of brackets. In brackets, superscripts and fractions of Latin-1 are left out. */
export function wordRanges(inBrackets: boolean): Ranges {
  const categories = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "Pc"];
  const base = union(...categories.map((name) => categoryRanges().get(name) ?? []));
  const words = difference(base, rangesOf(DATA.WORDS));
  const all = difference(words, rangesOf(DATA.REGEX_WORDS));
  const latin = [0xb2, 0xb3, 0xb9, 0xb9, 0xbc, 0xbe];
  return inBrackets ? intersection(all, complement(latin)) : all;
}

/** Reads a class after a backslash, such as `s` or `p{L}`. */
export function classEscape(reader: Reader, inBrackets: boolean): Ranges | undefined {
  const property = match(reader, /([pP])\{(\^?)([A-Za-z_]+)\}/y);
  if (property !== undefined) {
    const [, letter, caret, name = ""] = property;
    const set = propertyRanges(reader, name);
    return (letter === "P") === (caret === "^") ? set : complement(set);
  }
  const short = match(reader, /[sSdDwWhH]/y)?.[0];
  if (short === undefined) return undefined;
  const sets: Readonly<Record<string, () => Ranges>> = {
    s: () => rangesOf(DATA.SPACES),
    d: () => categoryRanges().get("Nd") ?? [],
    w: () => wordRanges(inBrackets),
    h: () => ASCII_RANGES.hexadecimal,
  };
  const set = sets[short.toLowerCase()]?.() ?? [];
  return short === short.toLowerCase() ? set : complement(set);
}

const LONG_NAMES: Readonly<Record<string, string>> = {
  letter: "L",
  mark: "M",
  number: "N",
  punctuation: "P",
  punct: "P",
  symbol: "S",
  separator: "Z",
  uppercaseletter: "Lu",
  lowercaseletter: "Ll",
};

const SCRIPTS: Readonly<Record<string, string>> = {
  han: DATA.HAN,
  hiragana: DATA.HIRAGANA,
  katakana: DATA.KATAKANA,
  hangul: DATA.HANGUL,
  thai: DATA.THAI,
};

function propertyRanges(reader: Reader, given: string): Ranges {
  const plain = given.replace(/_/g, "").toLowerCase();
  if (plain === "any") return [0, LAST_CODE_POINT];
  const script = SCRIPTS[plain];
  if (script !== undefined) return rangesOf(script);
  const name = (LONG_NAMES[plain] ?? plain).toLowerCase();
  const found = [...categoryRanges()].filter(([category]) => {
    const lower = category.toLowerCase();
    return lower === name || (name.length === 1 && name !== "c" && lower.startsWith(name));
  });
  if (found.length === 0) unsupported(reader, `the property ${given}`);
  return union(...found.map(([, ranges]) => ranges));
}

/** Reads a character after a backslash. */
export function characterEscape(reader: Reader): number {
  const code = match(reader, /x\{([0-9a-fA-F]{1,6})\}|x([0-7][0-9a-fA-F])|u([0-9a-fA-F]{4})/y);
  if (code !== undefined) return Number.parseInt(code[1] ?? code[2] ?? code[3] ?? "", 16);
  const character = next(reader);
  const control = CONTROLS[character];
  if (control !== undefined) return control;
  if (/[0-9A-Za-z]/.test(character)) unsupported(reader, `\\${character}`);
  return character.codePointAt(0) ?? 0;
}

/** Reads a class in brackets, after its first bracket. */
export function bracket(reader: Reader): Ranges {
  const isNegated = take(reader, "^");
  let set = members(reader);
  while (take(reader, "&&")) set = intersection(set, members(reader));
  if (!take(reader, "]")) unsupported(reader, "an open class");
  return isNegated ? complement(set) : set;
}

const POSIX: Readonly<Record<string, () => Ranges>> = {
  word: () => wordRanges(true),
  digit: () => categoryRanges().get("Nd") ?? [],
  space: () => rangesOf(DATA.SPACES),
  xdigit: () => ASCII_RANGES.hexadecimal,
  cntrl: () => categoryRanges().get("Cc") ?? [],
  blank: () => union(categoryRanges().get("Zs") ?? [], [9, 9]),
  punct: () =>
    union(...[...categoryRanges()].flatMap(([name, set]) => (/^[PS]/.test(name) ? [set] : []))),
};

function members(reader: Reader): Ranges {
  const sets: Ranges[] = [];
  const begin = reader.at;
  while (reader.at < reader.pattern.length && !peek(reader, "&&")) {
    if (peek(reader, "]") && reader.at > begin) break;
    const posix = match(reader, /\[:(\^?)(\w+):\]/y);
    if (posix !== undefined) {
      const found = POSIX[posix[2] ?? ""]?.() ?? unsupported(reader, posix[0]);
      sets.push(posix[1] === "^" ? complement(found) : found);
    } else if (take(reader, "[")) sets.push(bracket(reader));
    else sets.push(member(reader));
  }
  return union(...sets);
}

/** Reads a character, a range or an escaped class. */
function member(reader: Reader): Ranges {
  const one = (): number | Ranges => {
    if (!take(reader, "\\")) return next(reader).codePointAt(0) ?? 0;
    return classEscape(reader, true) ?? characterEscape(reader);
  };
  const first = one();
  if (typeof first !== "number") return first;
  if (!peek(reader, "-") || peek(reader, "-]")) return [first, first];
  reader.at++;
  const last = peek(reader, "[") ? unsupported(reader, "a range without an end") : one();
  if (typeof last !== "number" || last < first)
    return unsupported(reader, "a range without an end");
  return [first, last];
}
