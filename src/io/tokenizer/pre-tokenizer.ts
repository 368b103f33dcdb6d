/** The pre-tokenizers of tokenizer.json. They split text into the parts that the model tokenizes. */
import { characterFlags, FLAG } from "./characters.ts";
import { slice, type Text } from "./text.ts";

/** The pre-tokenizer of GPT-2. Its code is passed in, and takes the options, because other files change them. */
export interface ByteLevel {
  readonly type: "ByteLevel";
  readonly addPrefixSpace: boolean;
  readonly useRegex: boolean;
  /** Converts bytes to characters. Undefined if it is left to the model, as in the last step. */
  readonly writeBytes: ((text: string) => string) | undefined;
  readonly split: (options: ByteLevel, text: Text) => readonly Text[];
}

/** A pre-tokenizer whose code is passed in. */
export type OtherPreTokenizer =
  | ByteLevel
  | { readonly type: "other"; readonly split: (text: Text) => readonly Text[] };

export type PreTokenizer =
  | OtherPreTokenizer
  | { readonly type: "BertPreTokenizer" }
  | { readonly type: "Sequence"; readonly preTokenizers: readonly PreTokenizer[] };

/** Splits a text that is not empty. No part is empty. */
export function preTokenize(preTokenizer: PreTokenizer, text: Text): readonly Text[] {
  switch (preTokenizer.type) {
    case "BertPreTokenizer":
      return bertWords(text);
    case "Sequence": {
      let parts: readonly Text[] = [text];
      for (const one of preTokenizer.preTokenizers)
        parts = parts.flatMap((part) => preTokenize(one, part));
      return parts;
    }
    case "ByteLevel":
      return preTokenizer.split(preTokenizer, text);
    case "other":
      return preTokenizer.split(text);
    default:
      return preTokenizer satisfies never;
  }
}

/** Splits at white space, and splits punctuation off. */
function bertWords(text: Text): readonly Text[] {
  const words: Text[] = [];
  const { length } = text.text;
  let begin = 0;
  for (let at = 0; at < length; ) {
    const c = text.text.codePointAt(at) ?? 0;
    const end = at + (c > 0xffff ? 2 : 1);
    const flags = characterFlags(c) & (FLAG.space | FLAG.punctuation);
    if (flags !== 0) {
      if (at > begin) words.push(slice(text, begin, at));
      if ((flags & FLAG.space) === 0) words.push(slice(text, at, end));
      begin = end;
    }
    at = end;
  }
  if (length > begin) words.push(slice(text, begin, length));
  return words;
}
