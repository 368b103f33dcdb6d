/** Added tokens of slow tokenizers, as in transformers' `PreTrainedTokenizer.tokenize`. */
import type { AddedToken } from "./tokenizer/added-tokens.ts";
import { characterFlags, FLAG } from "./tokenizer/characters.ts";

/** Added tokens with their ids. Empty if the vocabulary has all tokens. */
export interface SlowAddedTokens {
  readonly ids: ReadonlyMap<string, number>;
  readonly tokens: ReadonlyMap<string, AddedToken>;
  /** The texts of special tokens with a role, and of additional ones. */
  readonly special: ReadonlySet<string>;
}

export const NO_ADDED_TOKENS: SlowAddedTokens = {
  ids: /* @__PURE__ */ new Map(),
  tokens: /* @__PURE__ */ new Map(),
  special: /* @__PURE__ */ new Set(),
};

/** Splits a text into the ids of added tokens and the text between them. */
export function splitAtAddedTokens(
  added: SlowAddedTokens,
  text: string,
  lowercase: boolean,
): readonly (number | string)[] {
  if (added.ids.size === 0) return [text];
  const parts = splitAtLongest(added, lowercase ? lowercaseOthers(added, text) : text);
  mergeNeighboursInto(added, parts);
  return parts.flatMap((part) => (part === "" ? [] : [added.ids.get(part) ?? part]));
}

/**
 * Converts a text to lower case, except for special tokens with a role and for ordinary tokens with the flag
 * `normalized`.
 */
function lowercaseOthers({ tokens, special: roles }: SlowAddedTokens, text: string): string {
  const kept = [...tokens.values()].filter(
    ({ content, special, normalized }) => roles.has(content) || (!special && normalized),
  );
  let result = "";
  for (let at = 0; at < text.length; ) {
    const token = kept.find(({ content }) => text.startsWith(content, at));
    const part = token?.content ?? String.fromCodePoint(text.codePointAt(at) ?? 0);
    result += token === undefined ? part.toLowerCase() : part;
    at += part.length;
  }
  return result;
}

/** Splits a text at added tokens. If several tokens begin at the same position, the longest one is used. */
function splitAtLongest({ tokens }: SlowAddedTokens, text: string): string[] {
  const contents = [...tokens.keys()].sort((a, b) => b.length - a.length);
  const parts: string[] = [];
  let begin = 0;
  for (let at = 0; at < text.length; ) {
    const found = contents.find((content) => text.startsWith(content, at));
    if (found === undefined) {
      at++;
      continue;
    }
    if (at > begin) parts.push(text.slice(begin, at));
    parts.push(found);
    at += found.length;
    begin = at;
  }
  if (begin < text.length) parts.push(text.slice(begin));
  return parts;
}

/** Whether Python treats a code unit as whitespace: Unicode whitespace and four control characters. */
function isSpaceAt(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return (unit >= 0x1c && unit <= 0x1f) || (characterFlags(unit) & FLAG.space) !== 0;
}

function withoutLeadingSpace(text: string): string {
  let start = 0;
  while (start < text.length && isSpaceAt(text, start)) start++;
  return text.slice(start);
}

function withoutTrailingSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpaceAt(text, end - 1)) end--;
  return text.slice(0, end);
}

/**
 * Strips spaces next to tokens with the flag `lstrip` or `rstrip`. A token with the flag `singleWord` that touches
 * other text becomes part of that text.
 */
function mergeNeighboursInto({ tokens }: SlowAddedTokens, parts: string[]): void {
  for (const [i, part] of parts.entries()) {
    const token = tokens.get(part);
    if (token === undefined) continue;
    const left = i > 0 ? (parts[i - 1] ?? "") : "";
    const right = parts[i + 1] ?? "";
    if (token.rstrip && right !== "") parts[i + 1] = withoutLeadingSpace(right);
    if (token.lstrip && left !== "") parts[i - 1] = withoutTrailingSpace(left);
    if (!token.singleWord) continue;
    if (left !== "" && !left.endsWith(" ")) {
      parts[i - 1] = (parts[i - 1] ?? "") + part;
      parts[i] = "";
    } else if (right !== "" && !right.startsWith(" ")) {
      parts[i + 1] = part + (parts[i + 1] ?? "");
      parts[i] = "";
    }
  }
}
