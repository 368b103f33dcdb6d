/** Returns the rank of each value, from 1. Equal values share the mean of their ranks. */
export function averageRanks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, index) => index);
  order.sort((a, b) => (values[a] as number) - (values[b] as number));
  const ranks = new Float64Array(values.length);
  for (let begin = 0, end = 0; begin < order.length; begin = end) {
    const value = values[order[begin] as number];
    while (end < order.length && values[order[end] as number] === value) end++;
    // A NaN does not equal itself.
    end = Math.max(end, begin + 1);
    for (const index of order.subarray(begin, end)) ranks[index] = (begin + 1 + end) / 2;
  }
  return ranks;
}
