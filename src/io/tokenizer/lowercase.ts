/** Converts single characters to lower case by a table of Unicode 16. Neighbouring characters have no effect. */
import { isAscii } from "./characters.ts";
import { LOWERCASE } from "./lowercase.generated.ts";
import { once } from "./tables.ts";

const lowercaseTable: () => ReadonlyMap<number, string> = /* @__PURE__ */ once(() => {
  const table = new Map<number, string>();
  // A run is `gap*count difference`, `gap:count difference` for every second character, or `gap+code+code` for one.
  const runs = /([0-9a-z]+)(?:([*:])([0-9a-z]+)\s+(-?[0-9a-z]+)|\+(\S+))/g;
  let end = 0;
  for (const [, gap = "", step, count = "1", difference = "0", codes] of LOWERCASE.matchAll(runs)) {
    let c = end + Number.parseInt(gap, 36);
    end = c;
    if (codes !== undefined) {
      const target = codes.split("+").map((digits) => Number.parseInt(digits, 36));
      table.set(c, String.fromCodePoint(...target));
      continue;
    }
    const stride = step === ":" ? 2 : 1;
    end += stride * Number.parseInt(count, 36);
    for (; c < end; c += stride)
      table.set(c, String.fromCodePoint(c + Number.parseInt(difference, 36)));
  }
  return table;
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
