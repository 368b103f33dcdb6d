/** Checks that a kernel stays within its arrays. */

/** Checks that an array has at least `count` elements. @throws RangeError */
export function checkCount(name: string, array: Float32Array | Int32Array, count: number): void {
  if (array.length < count)
    throw new RangeError(`${name}: expected at least ${count} elements, got ${array.length}`);
}

/** Checks that every id is in [0, rows). @throws RangeError */
export function checkIds(ids: Int32Array, rows: number): void {
  for (let r = 0; r < ids.length; r++) {
    if (ids[r] < 0 || ids[r] >= rows)
      throw new RangeError(`ids[${r}]: expected an integer from 0 to ${rows - 1}, got ${ids[r]}`);
  }
}
