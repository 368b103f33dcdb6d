/** What a pattern asks for, in the plainest words: the oracle of the checker. */
import fc from "fast-check";
import { type Pattern, parsePattern } from "../../src/prune/pattern.ts";

/** A weight as rows of [out, kernel positions x in], the way patterns see it. */
export function matrixOf(shape: readonly number[], data: Float32Array): number[][] {
  const [rows = 0, channels = 0, ...kernel] = shape;
  const positions = kernel.reduce((a, b) => a * b, 1);
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: positions * channels }, (_, column) => {
      const [position, channel] = [Math.floor(column / channels), column % channels];
      return data[(row * channels + channel) * positions + position] as number;
    }),
  );
}

/** A block, and where it begins. */
export interface NaiveBlock {
  readonly row: number;
  readonly column: number;
  readonly values: readonly number[];
}

/** The blocks of a matrix. */
export function blocksOf(
  matrix: readonly (readonly number[])[],
  pattern: Pattern,
  channels: number,
): readonly NaiveBlock[] {
  const columns = matrix[0]?.length ?? 0;
  const height =
    pattern.kind === "group" ? 1 : pattern.height === "channel" ? matrix.length : pattern.height;
  const width =
    pattern.kind === "group" ? pattern.of : pattern.width === "channel" ? channels : pattern.width;
  const blocks: NaiveBlock[] = [];
  for (let row = 0; row + height <= matrix.length; row += height)
    for (let column = 0; column + width <= columns; column += width)
      blocks.push({
        row,
        column,
        values: matrix
          .slice(row, row + height)
          .flatMap((line) => line.slice(column, column + width)),
      });
  return blocks;
}

/** Whether a block breaks the pattern. */
export function isBroken(values: readonly number[], pattern: Pattern, exact: boolean): boolean {
  const zeros = values.filter((value) => value === 0).length;
  if (pattern.kind === "group") return zeros < pattern.prune || (exact && zeros !== pattern.prune);
  return exact && zeros > 0 && zeros < values.length;
}

/** The pattern of a spelling. */
export function patternOf(spelling: string): Pattern {
  const pattern = parsePattern(spelling);
  if (pattern === undefined) throw new Error(`expected a pattern, got ${spelling}`);
  return pattern;
}

/** A weight of any kind of layer, mostly zeros, so that there are zero blocks. */
export const weights: fc.Arbitrary<{
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}> = fc
  .record({
    shape: fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
      fc.tuple(
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 3 }),
      ),
      fc.tuple(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
      ),
    ),
    values: fc.array(fc.constantFrom(0, -0, 0, 0, 0, 1e-40, 1, -2), {
      minLength: 225,
      maxLength: 225,
    }),
  })
  .map(({ shape, values }) => {
    const extents: readonly number[] = shape;
    const count = extents.reduce((a, b) => a * b, 1);
    return { name: "layer", shape: extents, data: Float32Array.from(values.slice(0, count)) };
  });
