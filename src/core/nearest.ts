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

/** Whether `whole` contains a name of at least three letters, in lower or upper case. */
function isPart(name: string, whole: string): boolean {
  return name.length > 2 && whole.toLowerCase().includes(name.toLowerCase());
}

/** Returns the known name closest to a mistyped name, or undefined if none is close enough. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const tolerance = Math.max(2, Math.floor(name.length / 3));
  const ranked = known
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(
      ({ candidate, distance }) =>
        distance <= tolerance || isPart(name, candidate) || isPart(candidate, name),
    )
    .sort((left, right) => left.distance - right.distance);
  return ranked[0]?.candidate;
}
