/** The lowest scores as PyTorch's `topk` finds them on a CPU: with the ties that `std::nth_element` of libstdc++ takes. */

/** A score with its index. */
interface Entry {
  readonly score: number;
  readonly index: number;
}

function precedes(a: Entry, b: Entry): boolean {
  return a.score < b.score || (Number.isNaN(b.score) && !Number.isNaN(a.score));
}

/** Moves the median of three entries to `target`. */
function medianInto(list: Entry[], target: number, [a, b, c]: readonly [number, number, number]) {
  const before = (i: number, j: number): boolean => precedes(list[i], list[j]);
  let median: number;
  if (before(a, b)) median = before(b, c) ? b : before(a, c) ? c : a;
  else median = before(a, c) ? a : before(b, c) ? c : b;
  swap(list, target, median);
}

function swap(list: Entry[], i: number, j: number): void {
  [list[i], list[j]] = [list[j], list[i]];
}

/** Divides the entries from `first` to `last` around their median of three. Returns where the second part starts. */
function partition(list: Entry[], first: number, last: number): number {
  medianInto(list, first, [first + 1, first + ((last - first) >> 1), last - 1]);
  const pivot = list[first];
  let low = first + 1;
  let high = last;
  for (;;) {
    while (precedes(list[low], pivot)) low++;
    high--;
    while (precedes(pivot, list[high])) high--;
    if (low >= high) return low;
    swap(list, low, high);
    low++;
  }
}

/**
 * Returns the indices of the `count` lowest scores from `start` to `end`, in no order. NaN is the largest. The choice
 * among equal scores is that of PyTorch for groups of fewer than 64 `count` scores, such as those of N:M patterns.
 */
export function topKLowest(
  scores: ArrayLike<number>,
  start: number,
  end: number,
  count: number,
): readonly number[] {
  const list = Array.from({ length: end - start }, (_, i): Entry => {
    return { score: scores[start + i], index: start + i };
  });
  let first = 0;
  let last = list.length;
  while (last - first > 3) {
    const cut = partition(list, first, last);
    if (cut < count) first = cut;
    else last = cut;
  }
  // Insertion sort.
  for (let i = first + 1; i < last; i++)
    for (let j = i; j > first && precedes(list[j], list[j - 1]); j--) swap(list, j, j - 1);
  return list.slice(0, count).map(({ index }) => index);
}
