/** The pre-tokenizer of SentencePiece, which writes spaces as a visible character. */
import { partsOf, replaceMatches, splitText } from "./matches.ts";
import { prepend, type Text } from "./text.ts";

export interface Metaspace {
  readonly replacement: string;
  readonly prependScheme: "always" | "first" | "never";
  readonly split: boolean;
}

/** Replaces spaces, and splits before each replacement if asked. */
export function metaspace(
  { replacement, prependScheme, split }: Metaspace,
  text: Text,
): readonly Text[] {
  const spaced = replaceMatches(text, " ", replacement);
  const isPrepended =
    !spaced.text.startsWith(replacement) &&
    // `first` prepends only to the part with the first character of the input.
    (prependScheme === "always" || (prependScheme === "first" && spaced.head > 0));
  const whole = isPrepended ? prepend(spaced, replacement) : spaced;
  if (!split) return [whole];
  return splitText(whole, partsOf(replacement, whole.text), "MergedWithNext");
}
