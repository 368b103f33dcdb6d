/** The normalizers of tokenizer.json that BERT's tokenizers do not have. */
import { isLeft } from "../../core/either.ts";
import { byteCharacters } from "./byte-characters.ts";
import type { Ranges } from "./characters.ts";
import { type Fields, readText } from "./json-fields.ts";
import { replaceMatches } from "./matches.ts";
import { normalForm } from "./normal-forms.ts";
import { type OtherNormalizer, withoutCharacters } from "./normalizer.ts";
import { type PartParsers, partParsers } from "./other-parsers.ts";
import { parsePattern } from "./parse-pattern.ts";
import { applyCharacterMap, parseCharacterMap } from "./precompiled.ts";
import { mapText, prepend, type Text } from "./text.ts";
import { WORD_FLAG, wordFlags } from "./word-characters.ts";

function applying(apply: (text: Text) => Text): OtherNormalizer {
  return { type: "other", apply };
}

export const OTHER_NORMALIZERS: PartParsers<OtherNormalizer> = /* @__PURE__ */ partParsers({
  NFC: () => applying((text) => normalForm("NFC", text)),
  NFD: () => applying((text) => normalForm("NFD", text)),
  NFKC: () => applying((text) => normalForm("NFKC", text)),
  NFKD: () => applying((text) => normalForm("NFKD", text)),
  StripAccents: () => applying((text) => mapText(text, withoutMarks)),
  Replace: (fields) => {
    const pattern = parsePattern(fields);
    const content = readText(fields, "content");
    return applying((text) => replaceMatches(text, pattern, content));
  },
  Prepend: (fields) => {
    const prefix = readText(fields, "prepend");
    return applying((text) => prepend(text, prefix));
  },
  Precompiled: parsePrecompiled,
  Nmt: () => applying((text) => mapText(text, nmt)),
  ByteLevel: () => applying((text) => mapText(text, byteCharacters)),
});

function parsePrecompiled(fields: Fields): OtherNormalizer {
  const key = "precompiled_charsmap";
  const found = parseCharacterMap(`${fields.path}.${key}`, readText(fields, key));
  if (!isLeft(found)) return applying((text) => applyCharacterMap(found.right, text));
  fields.problems.push(...found.left);
  return applying((text) => text);
}

function withoutMarks(text: string): string {
  return withoutCharacters(text, (c) => (wordFlags(c) & WORD_FLAG.mark) !== 0);
}

/** Removes control characters, and turns whitespace and some invisible characters into spaces. */
function nmt(text: string): string {
  let kept = "";
  for (const character of text) {
    const c = character.codePointAt(0) ?? 0;
    if (inRanges(NMT_SPACES, c)) kept += " ";
    else if (!inRanges(NMT_REMOVED, c)) kept += character;
  }
  return kept;
}

const NMT_REMOVED: Ranges = [1, 8, 0xb, 0xb, 0xe, 0x1f, 0x7f, 0x7f, 0x8f, 0x8f, 0x9f, 0x9f];

const NMT_SPACES: Ranges = [
  ...[9, 0xa, 0xc, 0xd, 0x1680, 0x1680, 0x200b, 0x200f, 0x2028, 0x2029, 0x2581, 0x2581],
  ...[0xfeff, 0xfeff, 0xfffd, 0xfffd],
];

function inRanges(ranges: Ranges, codePoint: number): boolean {
  for (let i = 0; i + 1 < ranges.length; i += 2)
    if (codePoint >= (ranges[i] ?? 0) && codePoint <= (ranges[i + 1] ?? 0)) return true;
  return false;
}
