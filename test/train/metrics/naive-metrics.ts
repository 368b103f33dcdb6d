/** Metrics by their definitions, in quadratic time: the oracle of the properties. */

/** F1 of a set of predicted pairs (row, class) against a set of true pairs. */
export function naiveF1(labels: readonly boolean[], predictions: readonly boolean[]): number {
  const hits = labels.filter((label, row) => label && predictions[row]).length;
  const predicted = predictions.filter(Boolean).length;
  const actual = labels.filter(Boolean).length;
  if (hits === 0) return 0;
  const precision = hits / predicted;
  const recall = hits / actual;
  return (2 * precision * recall) / (precision + recall);
}

/** The covariance of labels and predictions, summed over the columns of vectors with a 1 at the class. */
function covariance(a: readonly number[], b: readonly number[]): number {
  const classes = [...new Set([...a, ...b])];
  const share = (values: readonly number[], id: number) =>
    values.filter((value) => value === id).length / values.length;
  return classes.reduce((total, id) => {
    const both = a.filter((value, row) => value === id && b[row] === id).length / a.length;
    return total + both - share(a, id) * share(b, id);
  }, 0);
}

/** Matthews correlation: the correlation of two variables with values in several classes. */
export function naiveMatthews(labels: readonly number[], predictions: readonly number[]): number {
  if (new Set(labels).size === 1 || new Set(predictions).size === 1) return 0;
  const variances = covariance(labels, labels) * covariance(predictions, predictions);
  return covariance(labels, predictions) / Math.sqrt(variances);
}

/** The mean over all pairs of a row of class 1 and a row of class 0: 1 if the order is right, a half for a tie. */
export function naiveRocAuc(labels: readonly number[], scores: readonly number[]): number | null {
  const ofClass = (id: number) => scores.filter((_, row) => labels[row] === id);
  const wins = ofClass(1).flatMap((a) => ofClass(0).map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
  return wins.length === 0 ? null : wins.reduce<number>((a, b) => a + b, 0) / wins.length;
}

/** Correlation from the differences of all pairs of rows. */
export function naiveCorrelation(x: readonly number[], y: readonly number[]): number | null {
  const sumOfPairs = (a: readonly number[], b: readonly number[]) =>
    a.reduce<number>(
      (total, ai, i) =>
        total + a.reduce((sum, aj, j) => sum + (ai - aj) * ((b[i] ?? 0) - (b[j] ?? 0)), 0),
      0,
    );
  const spread = Math.sqrt(sumOfPairs(x, x)) * Math.sqrt(sumOfPairs(y, y));
  return spread === 0 ? null : sumOfPairs(x, y) / spread;
}

/** The number of smaller values plus half of the number of equal ones, plus a half. */
export function naiveRanks(values: readonly number[]): number[] {
  return values.map(
    (value) =>
      values.filter((other) => other < value).length +
      (values.filter((other) => other === value).length + 1) / 2,
  );
}
