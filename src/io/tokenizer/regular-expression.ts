/**
 * Translates the regular expressions of tokenizer.json from Oniguruma's syntax to JavaScript's. Classes become explicit
 * ranges, so that all engines match the same characters. Syntax that cannot be translated is refused.
 */
import {
  type Either,
  InputError,
  isLeft,
  type Problem,
  refuse,
  tryCatch,
} from "../../core/either.ts";
import type { Ranges } from "./characters.ts";
import { bracket, characterEscape, classEscape, wordRanges } from "./expression-class.ts";
import { match, next, peek, type Reader, take, unsupported } from "./expression-reader.ts";
import { formatClass, union } from "./ranges.ts";

/** The flags that apply at a position in the pattern. */
interface Flags {
  readonly ignoreCase: boolean;
  /** Whether `.` matches line feeds, too. */
  readonly dotAll: boolean;
}

/** Translates a pattern. `path` names it in problems. */
export function parseRegularExpression(
  path: string,
  pattern: string,
): Either<readonly Problem[], RegExp> {
  const translated = tryCatch(
    () => {
      const reader: Reader = { pattern, at: 0, atomic: 0, lookbehind: false };
      const source = alternatives(reader, { ignoreCase: false, dotAll: false });
      if (reader.at < pattern.length) unsupported(reader, "an unmatched parenthesis");
      return new RegExp(source, "gu");
    },
    (error): readonly Problem[] =>
      error instanceof InputError
        ? error.problems
        : [{ path: "", expected: "a regular expression", got: JSON.stringify(pattern) }],
  );
  if (!isLeft(translated)) return translated;
  const [{ expected, got }] = translated.left as readonly [Problem];
  return refuse(path, expected, got);
}

function alternatives(reader: Reader, flags: Flags): string {
  const branches: string[] = [];
  do branches.push(branch(reader, flags));
  while (take(reader, "|"));
  return branches.join("|");
}

function branch(reader: Reader, flags: Flags): string {
  let source = "";
  let lastLetter = "";
  while (reader.at < reader.pattern.length && !peek(reader, "|") && !peek(reader, ")")) {
    const options = match(reader, /\(\?([im]*)(?:-([im]*))?\)/y);
    if (options !== undefined) {
      // The options hold for the rest of the group, with all its alternatives.
      return `${source}(?:${alternatives(reader, withOptions(flags, options))})`;
    }
    const begin = reader.at;
    const atom = quantified(reader, flags);
    const letter = flags.ignoreCase ? reader.pattern.slice(begin, reader.at).toLowerCase() : "";
    if (LONG_FOLDS.includes(lastLetter + letter))
      unsupported(reader, `(?i) with ${lastLetter + letter}`);
    lastLetter = letter;
    source += atom;
  }
  return source;
}

/** Letters that Oniguruma also matches with one character if case is ignored. */
const LONG_FOLDS: readonly string[] = ["ss", "ff", "fi", "fl", "st"];

function withOptions(flags: Flags, [, on = "", off = ""]: RegExpExecArray): Flags {
  return {
    ignoreCase: (flags.ignoreCase || on.includes("i")) && !off.includes("i"),
    dotAll: (flags.dotAll || on.includes("m")) && !off.includes("m"),
  };
}

/** Reads an atom with its quantifiers. */
function quantified(reader: Reader, flags: Flags): string {
  const begin = reader.at;
  let source = atom(reader, flags);
  const isAssertion = /^\(\?<?[=!]|^\\[bBAzZ]|^[\^$]/.test(reader.pattern.slice(begin, reader.at));
  for (;;) {
    const simple = match(reader, /([*+?])([?+]?)/y);
    const interval = simple === undefined ? match(reader, /\{(\d*)(,?)(\d*)\}(\??)/y) : undefined;
    if (simple === undefined && interval === undefined) return source;
    if (isAssertion) unsupported(reader, "a repeated assertion");
    if (simple !== undefined) {
      const [, sign = "", mode = ""] = simple;
      source =
        mode === "+" ? atomicGroup(reader, `(?:${source})${sign}`) : `(?:${source})${sign}${mode}`;
      continue;
    }
    const [, least = "", comma = "", most = "", lazy = ""] = interval ?? [];
    if ((least === "" && most === "") || (comma === "" && lazy !== ""))
      unsupported(reader, "an unusual interval");
    if (most !== "" && Number(least) > Number(most)) unsupported(reader, "a reversed interval");
    source = `(?:${source}){${least === "" ? "0" : least}${comma}${most}}${lazy}`;
  }
}

/** Emulates an atomic group, into which the engine does not backtrack. */
function atomicGroup(reader: Reader, source: string): string {
  if (reader.lookbehind) unsupported(reader, "an atomic group in a look-behind");
  const name = `atomic${reader.atomic++}`;
  return `(?=(?<${name}>${source}))\\k<${name}>`;
}

function atom(reader: Reader, flags: Flags): string {
  const character = next(reader);
  switch (character) {
    case "(":
      return group(reader, flags);
    case "[": {
      const set = bracket(reader);
      return formatClass(flags.ignoreCase ? foldClass(reader, set) : set);
    }
    case ".":
      return flags.dotAll ? "[^]" : "[^\\n]";
    case "^":
      return "(?:(?<![^])|(?<=\\n)(?=[^]))";
    case "$":
      return "(?![^\\n])";
    case "\\":
      return escaped(reader, flags);
    case "*":
    case "+":
    case "?":
      return unsupported(reader, "a quantifier without an atom");
    default:
      return literal(reader, character, flags);
  }
}

/** For some letters, a further character that matches if case is ignored, in addition to the letter's other case. */
const MORE_FOLDS: Readonly<Record<string, number>> = { k: 0x212a, s: 0x17f };

function literal(reader: Reader, character: string, { ignoreCase }: Flags): string {
  const c = character.codePointAt(0) ?? 0;
  return formatClass(ignoreCase ? foldClass(reader, [c, c]) : [c, c]);
}

/** Adds the lower and upper case of every character in a set, which may contain only ASCII characters. */
function foldClass(reader: Reader, set: Ranges): Ranges {
  if ((set.at(-1) ?? 0) > 0x7f) unsupported(reader, "(?i) with characters outside ASCII");
  const folded: Ranges[] = [set];
  for (let i = 0; i + 1 < set.length; i += 2)
    for (let c = set[i] ?? 0; c <= (set[i + 1] ?? 0); c++) {
      const lower = String.fromCharCode(c).toLowerCase();
      for (const one of [lower, lower.toUpperCase()])
        folded.push([one.charCodeAt(0), one.charCodeAt(0)]);
      const more = MORE_FOLDS[lower];
      if (more !== undefined) folded.push([more, more]);
    }
  return union(...folded);
}

function group(reader: Reader, flags: Flags): string {
  const closed = (open: string, inner: Flags = flags): string => {
    const source = `${open}${alternatives(reader, inner)})`;
    if (!take(reader, ")")) unsupported(reader, "an open group");
    return source;
  };
  if (!peek(reader, "?")) return closed("(?:");
  for (const open of ["?:", "?=", "?!"]) if (take(reader, open)) return closed(`(${open}`);
  for (const open of ["?<=", "?<!"]) {
    if (!take(reader, open)) continue;
    const outer = reader.lookbehind;
    reader.lookbehind = true;
    const source = closed(`(${open}`);
    reader.lookbehind = outer;
    return source;
  }
  if (take(reader, "?>")) return atomicGroup(reader, closed("(?:"));
  if (match(reader, /\?<[A-Za-z_]\w*>/y) !== undefined) return closed("(?:");
  const options = match(reader, /\?([im]*)(?:-([im]*))?:/y);
  if (options !== undefined) return closed("(?:", withOptions(flags, options));
  return unsupported(reader, "this group");
}

function escaped(reader: Reader, flags: Flags): string {
  const assertion = match(reader, /[bBAzZ]/y)?.[0];
  if (assertion !== undefined) {
    const word = formatClass(wordRanges(false));
    switch (assertion) {
      case "A":
        return "(?<![^])";
      case "z":
        return "(?![^])";
      case "Z":
        return "(?=\\n?(?![^]))";
      case "b":
        return `(?:(?<=${word})(?!${word})|(?<!${word})(?=${word}))`;
      default:
        return `(?:(?<=${word})(?=${word})|(?<!${word})(?!${word}))`;
    }
  }
  const set = classEscape(reader, false);
  if (set === undefined)
    return literal(reader, String.fromCodePoint(characterEscape(reader)), flags);
  if (flags.ignoreCase) unsupported(reader, "(?i) with a class");
  return formatClass(set);
}
