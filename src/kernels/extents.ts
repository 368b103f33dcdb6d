/** Checks that keep a kernel from reading or writing outside of its arrays. */

/** Checks that an array has at least `count` elements. */
export function checkCount(name: string, array: Float32Array | Int32Array, count: number): void {
  if (array.length < count)
    throw new RangeError(`${name}: expected at least ${count} elements, got ${array.length}`);
}

/** Checks that every id is a row of a table of `rows` rows. */
export function checkIds(ids: Int32Array, rows: number): void {
  for (let r = 0; r < ids.length; r++) {
    if (ids[r] < 0 || ids[r] >= rows)
      throw new RangeError(`ids[${r}]: expected an integer from 0 to ${rows - 1}, got ${ids[r]}`);
  }
}
