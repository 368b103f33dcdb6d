/** Converts single characters to lower case by a table of Unicode 16. Neighbouring characters have no effect. */
import { isAscii, once } from "./characters.ts";
import { LOWERCASE } from "./lowercase.generated.ts";
import { mappingOf } from "./mapping.ts";

const lowercaseTable: () => ReadonlyMap<number, string> = /* @__PURE__ */ once(() => {
  const entries = [...mappingOf(LOWERCASE)];
  return new Map(entries.map(([from, to]) => [from, String.fromCodePoint(...to)]));
});

/** Converts each character of a text to lower case. */
export function lowercase(text: string): string {
  // All engines agree on ASCII.
  if (isAscii(text)) return text.toLowerCase();
  const table = lowercaseTable();
  let lower = "";
  for (const character of text) lower += table.get(character.codePointAt(0) ?? 0) ?? character;
  return lower;
}
