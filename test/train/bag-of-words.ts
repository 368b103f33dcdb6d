import type { Example } from "../../src/io/glue.ts";

/** Counts of words in a row, as (index, count) pairs. */
type Counts = ReadonlyMap<number, number>;

/** Dev accuracy of logistic regression on word counts, trained to convergence by full-batch descent. */
export function bagOfWordsAccuracy(train: readonly Example[], dev: readonly Example[]): number {
  const indices = new Map<string, number>();
  for (const { text } of train) {
    for (const word of text.split(" ")) {
      if (!indices.has(word)) indices.set(word, indices.size + 1);
    }
  }
  const rows = train.map(({ text, label }) => ({ counts: countWords(text, indices), label }));
  const weights = fitWeights(rows, indices.size + 1);
  const right = dev.filter(
    ({ text, label }) => (logit(weights, countWords(text, indices)) > 0 ? 1 : 0) === label,
  );
  return right.length / dev.length;
}

function fitWeights(
  rows: readonly { readonly counts: Counts; readonly label: number }[],
  size: number,
): Float64Array {
  const weights = new Float64Array(size);
  for (let iteration = 0; iteration < 500; iteration++) {
    const gradient = new Float64Array(size);
    for (const { counts, label } of rows) {
      const error = 1 / (1 + Math.exp(-logit(weights, counts))) - label;
      for (const [index, count] of counts) gradient[index] = (gradient[index] ?? 0) + error * count;
    }
    for (let i = 0; i < size; i++)
      weights[i] = (weights[i] ?? 0) - (0.3 * (gradient[i] ?? 0)) / rows.length;
  }
  return weights;
}

/** Index 0 is the intercept. */
function countWords(text: string, indices: ReadonlyMap<string, number>): Counts {
  const counts = new Map<number, number>([[0, 1]]);
  for (const word of text.split(" ")) {
    const index = indices.get(word);
    if (index !== undefined) counts.set(index, (counts.get(index) ?? 0) + 1);
  }
  return counts;
}

function logit(weights: Float64Array, counts: Counts): number {
  let sum = 0;
  for (const [index, count] of counts) sum += (weights[index] ?? 0) * count;
  return sum;
}
