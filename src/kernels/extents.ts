/** Checks that every id is in [0, rows). @throws RangeError if an id is not */
export function checkIds(ids: Int32Array, rows: number): void {
  for (let r = 0; r < ids.length; r++) {
    if (ids[r] < 0 || ids[r] >= rows)
      throw new RangeError(`ids[${r}]: expected an integer from 0 to ${rows - 1}, got ${ids[r]}`);
  }
}
