/** The general categories of characters, for regular expressions. */

import { CATEGORIES } from "./characters.generated.ts";
import type { Ranges } from "./characters.ts";
import { once } from "./tables.ts";

const CATEGORY_NAMES =
  "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co".split(
    " ",
  );
const CATEGORY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ#$%";

/** The ranges of each general category, by its name, such as `Lu`. */
export const categoryRanges: () => ReadonlyMap<string, Ranges> = /* @__PURE__ */ once(() => {
  const ranges = new Map<string, number[]>(CATEGORY_NAMES.map((name) => [name, []]));
  let first = 0;
  for (const [, length = "", letter = ""] of CATEGORIES.matchAll(/([0-9a-z]+)([A-Z#$%])/g)) {
    const end = first + Number.parseInt(length, 36);
    const name = CATEGORY_NAMES[CATEGORY_LETTERS.indexOf(letter)] ?? "";
    ranges.get(name)?.push(first, end - 1);
    first = end;
  }
  return ranges;
});
