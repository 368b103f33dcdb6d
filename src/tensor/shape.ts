/**
 * Shapes of tensors. The functions use plain loops, because iterators allocate memory until the engine has optimised
 * the code.
 */

import { checkList, describe, mismatch } from "../core/checks.ts";

/** Extents of a row-major array, outermost first. `[]` is a scalar. */
export type Shape = readonly number[];

/** Returns the number of elements; 1 for a scalar. */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (let axis = 0; axis < shape.length; axis++) count *= shape[axis];
  return count;
}

/** Returns the last extent, which is the width of a row; 1 for a scalar. */
export function columnsOf(shape: Shape): number {
  return shape.length === 0 ? 1 : shape[shape.length - 1];
}

/** Returns the number of rows: the product of all extents except the last. */
export function rowsOf(shape: Shape): number {
  let count = 1;
  for (let axis = 0; axis + 1 < shape.length; axis++) count *= shape[axis];
  return count;
}

/** Returns the shape with its last extent replaced by `columns`. */
export function withColumns(shape: Shape, columns: number): Shape {
  if (columnsOf(shape) === columns) return shape;
  const changed = shape.slice();
  changed[shape.length - 1] = columns;
  return changed;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Formats a shape as text, such as `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Checks that the shape of a parameter is `[length]`. @throws RangeError if it is not */
export function checkVector(operation: string, name: string, got: Shape, length: number): void {
  if (got.length !== 1 || got[0] !== length) checkSameShape(`${operation} ${name}`, got, [length]);
}

/** Checks that two shapes are equal. @throws RangeError if they are not */
export function checkSameShape(name: string, got: Shape, expected: Shape): void {
  if (!sameShape(got, expected))
    throw new RangeError(mismatch(name, `shape ${formatShape(expected)}`, formatShape(got)));
}

/** The number of 32-bit elements in 4 GiB, the largest memory of WebAssembly. */
const MOST_ELEMENTS = 2 ** 30;

/** Formats a list that may contain any values. */
function formatUnknown(list: readonly unknown[]): string {
  return list.length > 8 ? describe(list) : `[${Array.from(list, describe).join(", ")}]`;
}

/** Checks that every extent is a positive integer. @throws RangeError if one is not */
export function checkShape(name: string, shape: Shape): void {
  checkList(name, shape);
  for (const extent of shape)
    if (!Number.isInteger(extent) || extent < 1)
      throw new RangeError(mismatch(name, "a shape of positive integers", formatUnknown(shape)));
  if (elementCount(shape) > MOST_ELEMENTS)
    throw new RangeError(mismatch(name, "at most 2^30 elements", formatShape(shape)));
}
