/** Splits text into extended grapheme clusters by the rules of Unicode 16 (UAX 29). */

import * as DATA from "./graphemes.generated.ts";
import { once, rangesOf } from "./tables.ts";

/** The classes of characters. `other` has no rule of its own. */
const CLASS = {
  other: 0,
  control: 1,
  extend: 2,
  pictographic: 3,
  consonant: 4,
  lead: 5,
  leadVowel: 6,
  syllable: 7,
  prepend: 8,
  regional: 9,
  spacing: 10,
  tail: 11,
  vowel: 12,
  joiner: 13,
  carriageReturn: 14,
  lineFeed: 15,
} as const;

/** Flags that are stored in the bits above the class. */
const INCB_EXTEND = 16;
const INCB_LINKER = 32;
const CLASS_MASK = 15;

/** The class and the flags of each character whose class is not `other`. */
const classes: () => ReadonlyMap<number, number> = /* @__PURE__ */ once(() => {
  const table = new Map<number, number>();
  const add = (value: number, data: string): void => {
    const ranges = rangesOf(data);
    for (let i = 0; i + 1 < ranges.length; i += 2)
      for (let c = ranges[i] ?? 0; c <= (ranges[i + 1] ?? 0); c++)
        table.set(c, (table.get(c) ?? 0) | value);
  };
  add(CLASS.control, DATA.CONTROL);
  add(CLASS.extend, DATA.EXTEND);
  add(CLASS.pictographic, DATA.EXTENDED_PICTOGRAPHIC);
  add(CLASS.consonant, DATA.INCB_CONSONANT);
  add(CLASS.lead, DATA.L);
  add(CLASS.leadVowel, DATA.LV);
  add(CLASS.syllable, DATA.LVT);
  add(CLASS.prepend, DATA.PREPEND);
  add(CLASS.regional, DATA.REGIONAL_INDICATOR);
  add(CLASS.spacing, DATA.SPACINGMARK);
  add(CLASS.tail, DATA.T);
  add(CLASS.vowel, DATA.V);
  add(INCB_EXTEND, DATA.INCB_EXTEND);
  add(INCB_LINKER, DATA.INCB_LINKER);
  table.set(0x200d, CLASS.joiner | ((table.get(0x200d) ?? 0) & ~CLASS_MASK));
  table.set(0x0d, CLASS.carriageReturn);
  table.set(0x0a, CLASS.lineFeed);
  return table;
});

/** The state for rules that look back further than one character. */
interface Context {
  before: number;
  /** The number of consecutive regional indicators. */
  regionals: number;
  /** Whether the text ends with a pictograph and any extending characters. */
  pictograph: boolean;
  /** Whether it ends with such a sequence and a joiner. */
  joined: boolean;
  /** Whether the text ends with a consonant and any linkers and extending characters. */
  consonant: boolean;
  linked: boolean;
}

/** Splits a text into clusters. */
export function graphemes(text: string): string[] {
  if (hasPlainClusters(text)) return text.split("");
  const clusters: string[] = [];
  const context: Context = {
    before: -1,
    regionals: 0,
    pictograph: false,
    joined: false,
    consonant: false,
    linked: false,
  };
  let begin = 0;
  let index = 0;
  for (const character of text) {
    const found = classes().get(character.codePointAt(0) ?? 0) ?? 0;
    if (index > 0 && isBoundary(context, found & CLASS_MASK)) {
      clusters.push(text.slice(begin, index));
      begin = index;
    }
    advance(context, found);
    index += character.length;
  }
  if (index > begin) clusters.push(text.slice(begin));
  return clusters;
}

/** Whether each character is a cluster, because none is combining or a carriage return. */
function hasPlainClusters(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x300 || unit === 0x0d) return false;
  }
  return true;
}

function isBoundary(
  { before, regionals, joined, consonant, linked }: Context,
  after: number,
): boolean {
  if (before === CLASS.carriageReturn && after === CLASS.lineFeed) return false;
  if (isControl(before) || isControl(after)) return true;
  if (before === CLASS.lead && isHangulAfterLead(after)) return false;
  if (before === CLASS.leadVowel || before === CLASS.vowel) {
    if (after === CLASS.vowel || after === CLASS.tail) return false;
  }
  if ((before === CLASS.syllable || before === CLASS.tail) && after === CLASS.tail) return false;
  if (after === CLASS.extend || after === CLASS.joiner || after === CLASS.spacing) return false;
  if (before === CLASS.prepend) return false;
  if (after === CLASS.consonant) return !(consonant && linked);
  if (before === CLASS.joiner && after === CLASS.pictographic) return !joined;
  if (before === CLASS.regional && after === CLASS.regional) return regionals % 2 === 0;
  return true;
}

function isHangulAfterLead(found: number): boolean {
  return (
    found === CLASS.lead ||
    found === CLASS.vowel ||
    found === CLASS.leadVowel ||
    found === CLASS.syllable
  );
}

function isControl(found: number): boolean {
  return found === CLASS.control || found === CLASS.carriageReturn || found === CLASS.lineFeed;
}

function advance(context: Context, value: number): void {
  const found = value & CLASS_MASK;
  context.joined = found === CLASS.joiner && context.pictograph;
  context.pictograph =
    found === CLASS.pictographic || (found === CLASS.extend && context.pictograph);
  context.regionals = found === CLASS.regional ? context.regionals + 1 : 0;
  if ((value & INCB_LINKER) !== 0) context.linked = true;
  else if ((value & INCB_EXTEND) === 0) {
    context.consonant = found === CLASS.consonant;
    context.linked = false;
  }
  context.before = found;
}
