/** A part of the input on its way through normalizer and pre-tokenizer. */

/**
 * A part of the text. `head` is the number of leading code units that come from the first character of the input, as
 * `tokenizers` aligns them. `Metaspace` reads it if it adds a prefix only to the first part.
 */
export interface Text {
  readonly text: string;
  readonly head: number;
}

/** Applies a function that maps each character independently. */
export function mapText({ text, head }: Text, map: (text: string) => string): Text {
  const mapped = map(text);
  if (head === 0) return { text: mapped, head };
  if (head >= text.length) return { text: mapped, head: mapped.length };
  return { text: mapped, head: map(text.slice(0, head)).length };
}

/** Returns a part of a text. */
export function slice({ text, head }: Text, start: number, end: number): Text {
  return { text: text.slice(start, end), head: head > start ? Math.min(head, end) - start : 0 };
}

/** Puts a prefix before a text that is not empty. */
export function prepend({ text, head }: Text, prefix: string): Text {
  return text === ""
    ? { text, head }
    : { text: prefix + text, head: head > 0 ? head + prefix.length : 0 };
}
