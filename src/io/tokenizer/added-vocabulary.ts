/** Gives ids to added tokens as `tokenizers` does. The ids in the file are not read. */
import { type Either, type Problem, refuse, right } from "../../core/either.ts";
import { type AddedToken, type TokenFinder, tokenFinder } from "./added-tokens.ts";
import { type Normalizer, normalize } from "./normalizer.ts";

/** The added tokens, in two groups: searched for before and after normalization. */
export interface AddedVocabulary {
  readonly ids: ReadonlyMap<string, number>;
  readonly tokens: ReadonlyMap<number, AddedToken>;
  readonly inText: TokenFinder;
  readonly inNormalized: TokenFinder;
}

/** The tokens that have been added so far, with their ids. */
export interface AddedState {
  readonly ids: ReadonlyMap<string, number>;
  readonly byId: ReadonlyMap<number, AddedToken>;
  /** The special tokens by their text, and all `others`, each in the order in which they were added. */
  readonly special: ReadonlyMap<string, AddedToken>;
  readonly others: readonly AddedToken[];
}

export const NOTHING_ADDED: AddedState = {
  ids: new Map(),
  byId: new Map(),
  special: new Map(),
  others: [],
};

/** Adds tokens in one call. A token gets the id that its text already has, or otherwise the next free id. */
export function addTokens(
  state: AddedState,
  tokens: readonly AddedToken[],
  modelTokens: ReadonlyMap<string, number>,
): AddedState {
  const ids = new Map(state.ids);
  const byId = new Map(state.byId);
  const special = new Map(state.special);
  const others = [...state.others];
  for (const token of tokens)
    if (token.special && token.content !== "" && !special.has(token.content))
      special.set(token.content, token);
  const { size } = modelTokens;
  let last = -1;
  for (const id of byId.keys()) last = Math.max(last, id);
  let nextId = last >= size || (size === 0 && last >= 0) ? last + 1 : size;
  const known = new Set([...byId.values()].map(keyOf));
  for (const token of tokens) {
    if (token.content === "" || known.has(keyOf(token))) continue;
    known.add(keyOf(token));
    const id = ids.get(token.content) ?? modelTokens.get(token.content) ?? nextId++;
    ids.set(token.content, id);
    byId.set(id, token);
    if (!special.has(token.content)) others.push(token);
  }
  return { ids, byId, special, others };
}

function keyOf({ content, singleWord, lstrip, rstrip, normalized, special }: AddedToken): string {
  return JSON.stringify([content, singleWord, lstrip, rstrip, normalized, special]);
}

interface SearchOptions {
  /** Whether special tokens in a text are treated as ordinary text. */
  readonly splitsSpecial: boolean;
  /** Whether a code point belongs to a word. If undefined, tokens that match only single words are refused. */
  readonly isWord: ((codePoint: number) => boolean) | undefined;
}

/** Prepares the search for tokens. */
export function addedVocabulary(
  path: string,
  { ids, byId, special, others }: AddedState,
  normalizer: Normalizer | undefined,
  { splitsSpecial, isWord }: SearchOptions,
): Either<readonly Problem[], AddedVocabulary> {
  const single = [...byId.values()].find(({ singleWord }) => singleWord);
  if (isWord === undefined && single !== undefined)
    return refuse(path, "tokens without single_word", JSON.stringify(single.content));
  const ignored = new Set<number>();
  if (splitsSpecial) for (const content of special.keys()) ignored.add(ids.get(content) ?? -1);
  const plain: [string, number][] = [];
  const normal: [string, number][] = [];
  for (const { content, normalized } of [...special.values(), ...others]) {
    const id = ids.get(content) ?? 0;
    if (!normalized || normalizer === undefined) (normalized ? normal : plain).push([content, id]);
    else {
      const { text } = normalize(normalizer, { text: content, head: 0 });
      if (text === "")
        return refuse(path, "text that normalization keeps", JSON.stringify(content));
      normal.push([text, id]);
    }
  }
  const finder = (entries: readonly (readonly [string, number])[]): TokenFinder =>
    tokenFinder(entries, byId, ignored, isWord ?? (() => false));
  return right({ ids, tokens: byId, inText: finder(plain), inNormalized: finder(normal) });
}
