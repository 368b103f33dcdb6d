/** Reads the mappings of generated tables: lists of `gap*count target`. */

/** Returns the targets of each code point. */
export function mappingOf(data: string): Map<number, readonly number[]> {
  const words = data.trim().split(/\s+/);
  const mapping = new Map<number, readonly number[]>();
  let end = 0;
  for (let i = 0; i + 1 < words.length; i += 2) {
    const [gap = "", count = "1"] = (words[i] ?? "").split("*");
    const target = (words[i + 1] ?? "").split("+").map((digits) => Number.parseInt(digits, 36));
    const first = end + Number.parseInt(gap, 36);
    end = first + Number.parseInt(count, 36);
    for (let c = first; c < end; c++)
      mapping.set(c, c === first ? target : [(target[0] ?? 0) + c - first]);
  }
  return mapping;
}
