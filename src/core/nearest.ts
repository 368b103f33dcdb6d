/** The Levenshtein distance between two strings: the minimum number of insertions, deletions and substitutions. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const row = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const substituted = previous[j] + (a[i] === b[j] ? 0 : 1);
      row.push(Math.min(substituted, previous[j + 1] + 1, row[j] + 1));
    }
    previous = row;
  }
  return previous[b.length];
}

/** The minimum length of a name that counts as part of another one. */
const LEAST_PART = 4;

/** Whether one name begins with the other or, if it is long enough, contains it in lower or upper case. */
function isPartOfOther(a: string, b: string): boolean {
  const [part, whole] = a.length < b.length ? [a, b] : [b, a];
  if (part === "") return false;
  if (whole.startsWith(part)) return true;
  return part.length >= LEAST_PART && whole.toLowerCase().includes(part.toLowerCase());
}

/** Returns the known name closest to a mistyped name, or undefined if none is close enough. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const tolerance = Math.max(2, Math.floor(name.length / 3));
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(({ candidate, distance }) => distance <= tolerance || isPartOfOther(name, candidate))
    .sort((left, right) => left.distance - right.distance);
  return ranked[0]?.candidate;
}
