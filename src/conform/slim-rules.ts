/**
 * The rules by which INC removes zero channels and heads (`PostCompressionUtils`, weight_slim.py). `shrink` removes what
 * contributes nothing, which is at least this much.
 */

/** A weight in row-major order. */
export interface Matrix {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

function extents({ shape: [rows = 0, columns = 0] }: Matrix): readonly [number, number] {
  return [rows, columns];
}

function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Returns 1 for each row with an element that is not zero. */
export function usedRows(matrix: Matrix): readonly number[] {
  const [rows, columns] = extents(matrix);
  return range(rows).map((row) =>
    Number(matrix.data.subarray(row * columns, (row + 1) * columns).some((value) => value !== 0)),
  );
}

/** Returns 1 for each column with an element that is not zero. */
export function usedColumns(matrix: Matrix): readonly number[] {
  const [, columns] = extents(matrix);
  const used = new Array<number>(columns).fill(0);
  matrix.data.forEach((value, i) => {
    if (value !== 0) used[i % columns] = 1;
  });
  return used;
}

/** Returns the indices of zeros. */
export function zeroIndices(values: ArrayLike<number>): readonly number[] {
  return range(values.length).filter((i) => values[i] === 0);
}

/** Returns the heads whose entries are all zero. Each head owns equally many entries. */
export function zeroHeads(used: readonly number[], heads: number): readonly number[] {
  const width = used.length / heads;
  return range(heads).filter((head) => !used.slice(head * width, (head + 1) * width).includes(1));
}

/** Returns the indices that are in all lists, ascending. */
export function commonIndices(lists: readonly (readonly number[])[]): readonly number[] {
  const [first = [], ...others] = lists;
  const common = first.filter((index) => others.every((list) => list.includes(index)));
  return [...new Set(common)].sort((a, b) => a - b);
}

/** The number of parts that are removed of `count` zero ones: rounded down to a multiple, if that is above 1. */
export function removedCount(count: number, multiple: number): number {
  return multiple > 1 ? count - (count % multiple) : count;
}

/** Returns the elements of the parts that stay, each of `width` elements. */
export function keptElements(parts: number, removed: readonly number[], width: number): Int32Array {
  const gone = new Set(removed);
  return Int32Array.from(
    range(parts)
      .filter((part) => !gone.has(part))
      .flatMap((part) => range(width).map((i) => part * width + i)),
  );
}
