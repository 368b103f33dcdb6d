/**
 * Shapes: what a list of extents says, and the messages for two that disagree. Plain loops throughout: every operation
 * comes here, and an iterator makes an object for each extent until the engine has optimised it away.
 */

/** Extents of a row-major array, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/**
 * How many elements a shape holds; 1 for a scalar.
 *
 * @example
 * ```ts
 * import { elementCount } from "espalier/nn";
 *
 * console.assert(elementCount([2, 3]) === 6 && elementCount([]) === 1);
 * ```
 */
export function elementCount(shape: Shape): number {
  let count = 1;
  for (let axis = 0; axis < shape.length; axis++) count *= shape[axis];
  return count;
}

/** The last extent: the width of a row. 1 for a scalar. */
export function columnsOf(shape: Shape): number {
  return shape.length === 0 ? 1 : shape[shape.length - 1];
}

/** How many rows of {@link columnsOf} elements the shape holds. */
export function rowsOf(shape: Shape): number {
  let count = 1;
  for (let axis = 0; axis + 1 < shape.length; axis++) count *= shape[axis];
  return count;
}

/** The shape with that last extent. */
export function withColumns(shape: Shape, columns: number): Shape {
  if (columnsOf(shape) === columns) return shape;
  const changed = shape.slice();
  changed[shape.length - 1] = columns;
  return changed;
}

/** Whether two shapes are the same. */
export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** A shape as text, `[2, 3]`. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Checks that a parameter is a vector of that length. @throws RangeError naming the operation and the parameter. */
export function checkVector(operation: string, name: string, got: Shape, length: number): void {
  if (got.length !== 1 || got[0] !== length) checkSameShape(`${operation} ${name}`, got, [length]);
}

/** Checks that `got` equals `expected`. @throws RangeError naming the argument and both shapes. */
export function checkSameShape(name: string, got: Shape, expected: Shape): void {
  if (!sameShape(got, expected)) {
    throw new RangeError(
      `${name}: expected shape ${formatShape(expected)}, got ${formatShape(got)}`,
    );
  }
}

/** Checks that every extent is a positive integer. */
export function checkShape(name: string, shape: Shape): void {
  for (const extent of shape) {
    if (!Number.isInteger(extent) || extent < 1) {
      throw new RangeError(
        `${name}: expected a shape of positive integers, got ${formatShape(shape)}`,
      );
    }
  }
}
