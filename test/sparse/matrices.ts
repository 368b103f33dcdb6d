/** Matrices for properties of layouts: any bits, mostly zero, of shapes that nothing divides. */
import * as fc from "fast-check";
import type { ElementArray, MatrixShape } from "../../src/sparse/elements.ts";
import type { LayoutSpec } from "../../src/sparse/layout.ts";

/** +0, -0, one, a NaN with a payload, infinity, the least subnormal number. */
const WORDS_32 = [0, 0, 0, 0, 0, 0, 0x80000000, 0x3f800000, 0x7fc00001, 0xff812345, 0x7f800000, 1];
const WORDS_16 = [0, 0, 0, 0, 0, 0, 0x8000, 0x3c00, 0x7e01, 0xfd23, 0x7c00, 1];

/** A matrix and, perhaps, a mask. */
export interface SampleMatrix {
  readonly data: ElementArray;
  readonly shape: MatrixShape;
  readonly mask: Uint8Array | undefined;
}

/** Any matrix of up to 12 by 12. Some are all zero, some have no zero. */
export const sampleMatrices: fc.Arbitrary<SampleMatrix> = fc
  .record({
    rows: fc.nat(12),
    columns: fc.nat(12),
    half: fc.boolean(),
    fill: fc.constantFrom("any", "any", "any", "zero", "kept"),
    masked: fc.boolean(),
  })
  .chain(({ rows, columns, half, fill, masked }) => {
    const length = rows * columns;
    const all = half ? WORDS_16 : WORDS_32;
    const words = fill === "zero" ? [0] : fill === "kept" ? all.slice(6) : all;
    const list = { minLength: length, maxLength: length };
    return fc
      .record({
        words: fc.array(fc.constantFrom(...words), list),
        bits: fc.array(fc.constantFrom(0, 0, 0, 1), list),
      })
      .map(({ words: chosen, bits }) => ({
        data: half ? Uint16Array.from(chosen) : new Float32Array(Uint32Array.from(chosen).buffer),
        shape: [rows, columns] as const,
        mask: masked ? Uint8Array.from(bits) : undefined,
      }));
  });

const extents = fc.integer({ min: 1, max: 5 });

/** Any layout but groups, which not every matrix fits. */
export const freeLayouts: fc.Arbitrary<LayoutSpec> = fc.oneof(
  fc.constant({ layout: "bitmask" } as const),
  fc.constant({ layout: "channels" } as const),
  fc.tuple(extents, extents).map((block) => ({ layout: "blocks" as const, block })),
);

/** Any group. */
export const groups: fc.Arbitrary<LayoutSpec & { readonly layout: "groups" }> = fc
  .integer({ min: 2, max: 9 })
  .chain((of) =>
    fc.integer({ min: 1, max: of - 1 }).map((prune) => ({ layout: "groups" as const, prune, of })),
  );

/** The bits of elements, for comparisons: NaN is not equal to itself. */
export function wordsOf(data: ElementArray): readonly number[] {
  return Array.from(
    data instanceof Float32Array
      ? new Uint32Array(data.buffer, data.byteOffset, data.length)
      : data,
  );
}

/** A copy of a matrix of which in every group the first elements are +0, so that the group is full at most. */
export function thinned(
  { data, shape }: SampleMatrix,
  { prune, of }: { readonly prune: number; readonly of: number },
): ElementArray {
  const copy = data.slice();
  const words = copy instanceof Float32Array ? new Uint32Array(copy.buffer) : copy;
  for (let row = 0; row < shape[0]; row++)
    for (let column = 0; column < shape[1]; column++)
      if (column % of < prune) words[row * shape[1] + column] = 0;
  return copy;
}
