/** Finds added tokens in a text. A token's flag decides whether the text is normalized before the search. */
import { characterFlags, codePointBefore, FLAG } from "./characters.ts";
import { slice, type Text } from "./text.ts";

export interface AddedToken {
  readonly content: string;
  /** Whether the token matches only if no letter, digit or underscore is next to it. */
  readonly singleWord: boolean;
  /** Whether a match includes the whitespace before the token. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Whether the token is searched for in the normalized text. */
  readonly normalized: boolean;
  readonly special: boolean;
}

/** A trie of token texts by code units. */
interface TrieNode {
  readonly children: Map<number, TrieNode>;
  id: number | undefined;
}

/** The tokens to search for in one text. */
export interface TokenFinder {
  readonly root: TrieNode;
  readonly tokens: ReadonlyMap<number, AddedToken>;
  /** The ids of tokens that are matched but stay ordinary text, which the model tokenizes. */
  readonly ignored: ReadonlySet<number>;
  readonly isEmpty: boolean;
  /** Whether a code point belongs to a word, for tokens that match only single words. */
  readonly isWord: (codePoint: number) => boolean;
}

/** Makes a finder for texts with their ids. If a text occurs several times, its first id is used. */
export function tokenFinder(
  entries: readonly (readonly [text: string, id: number])[],
  tokens: ReadonlyMap<number, AddedToken>,
  ignored: ReadonlySet<number>,
  isWord: (codePoint: number) => boolean,
): TokenFinder {
  const root: TrieNode = { children: new Map(), id: undefined };
  for (const [text, id] of entries) {
    let node = root;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const child: TrieNode = node.children.get(unit) ?? { children: new Map(), id: undefined };
      node.children.set(unit, child);
      node = child;
    }
    node.id ??= id;
  }
  return { root, tokens, ignored, isEmpty: entries.length === 0, isWord };
}

/** A part of a text: an added token, or the text between two added tokens. */
export interface TokenOrText {
  readonly id: number | undefined;
  readonly text: Text;
}

/** Splits a text at the tokens that it contains. Empty parts are left out. */
export function splitTokens(finder: TokenFinder, text: Text): readonly TokenOrText[] {
  if (text.text === "") return [];
  if (finder.isEmpty) return [{ id: undefined, text }];
  const parts: TokenOrText[] = [];
  const { length } = text.text;
  let done = 0;
  const add = (id: number | undefined, start: number, end: number): void => {
    if (end > start) parts.push({ id, text: slice(text, start, end) });
  };
  for (let at = 0; at < length; ) {
    const found = longestAt(finder.root, text.text, at);
    if (found === undefined) {
      at++;
      continue;
    }
    const { id } = found;
    let start = at;
    let { end } = found;
    at = end;
    if (finder.ignored.has(id)) continue;
    const token = finder.tokens.get(id);
    if (token?.singleWord === true && !isSingleWord(finder, text.text, start, end)) continue;
    if (token?.lstrip === true) start = Math.max(spacesBefore(text.text, start), done);
    if (token?.rstrip === true) end = spacesAfter(text.text, end);
    add(undefined, done, start);
    add(id, start, end);
    done = end;
  }
  add(undefined, done, length);
  return parts;
}

function longestAt(
  root: TrieNode,
  text: string,
  start: number,
): { readonly id: number; readonly end: number } | undefined {
  let node = root.children.get(text.charCodeAt(start));
  if (node === undefined) return undefined;
  let longest: { readonly id: number; readonly end: number } | undefined;
  for (let at = start + 1; node !== undefined; at++) {
    if (node.id !== undefined) longest = { id: node.id, end: at };
    node = at < text.length ? node.children.get(text.charCodeAt(at)) : undefined;
  }
  return longest;
}

function isSingleWord({ isWord }: TokenFinder, text: string, start: number, end: number): boolean {
  const before = codePointBefore(text, start);
  const after = text.codePointAt(end);
  return !(before >= 0 && isWord(before)) && !(after !== undefined && isWord(after));
}

/** All white space is in the basic plane. */
function isSpaceAt(text: string, index: number): boolean {
  return (characterFlags(text.charCodeAt(index)) & FLAG.space) !== 0;
}

function spacesBefore(text: string, start: number): number {
  let at = start;
  while (at > 0 && isSpaceAt(text, at - 1)) at--;
  return at;
}

function spacesAfter(text: string, end: number): number {
  let at = end;
  while (at < text.length && isSpaceAt(text, at)) at++;
  return at;
}
