import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packBlocks, packedBytes, unpackBlocks } from "../../src/sparse/block-sparse.ts";

const BIT_PATTERNS = [0, 0, 0, 0, 0x80000000, 0x3f800000, 0x7fc00001, 0x7f800000, 0x00000001];

/** A matrix of block multiples whose elements are arbitrary bit patterns, mostly +0. */
const matrices = fc
  .record({
    blockRows: fc.nat(5),
    blockColumns: fc.nat(5),
    height: fc.integer({ min: 1, max: 5 }),
    width: fc.integer({ min: 1, max: 5 }),
  })
  .chain(({ blockRows, blockColumns, height, width }) => {
    const length = blockRows * height * blockColumns * width;
    return fc
      .array(fc.constantFrom(...BIT_PATTERNS), { minLength: length, maxLength: length })
      .map((bits) => ({
        bits: Uint32Array.from(bits),
        shape: [blockRows * height, blockColumns * width] as const,
        block: [height, width] as const,
      }));
  });

describe("block-sparse layout", () => {
  it("gives back every bit", () => {
    fc.assert(
      fc.property(matrices, ({ bits, shape, block }) => {
        const packed = packBlocks(new Float32Array(bits.buffer), shape, block);
        expect(new Uint32Array(unpackBlocks(packed).buffer)).toEqual(bits);
      }),
    );
  });

  it("keeps exactly the blocks with a bit set, by block row and ascending", () => {
    fc.assert(
      fc.property(matrices, ({ bits, shape, block }) => {
        const packed = packBlocks(new Float32Array(bits.buffer), shape, block);
        const occupied: [number, number][] = [];
        for (let r = 0; r < shape[0] / block[0]; r++) {
          for (let c = 0; c < shape[1] / block[1]; c++) {
            const inBlock = bits.some((word, i) => {
              const [row, column] = [Math.floor(i / shape[1]), i % shape[1]];
              return (
                word !== 0 &&
                Math.floor(row / block[0]) === r &&
                Math.floor(column / block[1]) === c
              );
            });
            if (inBlock) occupied.push([r, c]);
          }
        }
        const kept = Array.from(packed.blockColumns, (column, index) => {
          const row = packed.blockRowStarts.findLastIndex((start) => start <= index);
          return [row, column];
        });
        expect(kept).toEqual(occupied);
        expect(packedBytes(packed)).toBe(
          4 * (shape[0] / block[0] + 1 + occupied.length * (1 + block[0] * block[1])),
        );
      }),
    );
  });

  it("reads a view in the middle of a buffer and leaves it as it was", () => {
    const buffer = Float32Array.of(9, 0, 0, 7, 0, 9);
    const packed = packBlocks(buffer.subarray(1, 5), [2, 2], [1, 2]);
    expect(Array.from(unpackBlocks(packed))).toEqual([0, 0, 7, 0]);
    expect(Array.from(buffer)).toEqual([9, 0, 0, 7, 0, 9]);
  });

  it("refuses a block that does not divide, another length, another kind", () => {
    expect(() => packBlocks(new Float32Array(6), [3, 2], [2, 1])).toThrow(
      "shape: expected multiples of the block 2x1, got 3x2",
    );
    expect(() => packBlocks(new Float32Array(5), [3, 2], [1, 1])).toThrow(
      "data: expected 6 elements, got 5",
    );
    expect(() => packBlocks(new Float32Array(6), [3, 2], [0, 1])).toThrow(RangeError);
    expect(() => packBlocks([] as unknown as Float32Array, [0, 0], [1, 1])).toThrow(TypeError);
  });
});
