import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  blockCount,
  columnOffset,
  forEachElement,
  formatPattern,
  layOut,
  parsePattern,
  perBlock,
  perElement,
  readPattern,
} from "../../src/prune/pattern.ts";
import { patterns } from "./models.ts";

describe("spellings", () => {
  test("are read as they are written", () => {
    fc.assert(
      fc.property(patterns, (pattern) => {
        expect(parsePattern(formatPattern(pattern))).toEqual(pattern);
        expect(parsePattern(`mlp_${formatPattern(pattern)}`)).toEqual(pattern);
        expect(readPattern(pattern)).toEqual(pattern);
      }),
    );
  });

  test.each(["", "4", "4x", "x1", "0x1", "channelxchannel", "4:2", "2:2", "0:4", "4x1x1", "2:4:8"])(
    "%s is not one",
    (text) => {
      expect(parsePattern(text)).toBeUndefined();
      expect(() => readPattern(text)).toThrow(RangeError);
    },
  );

  test("other values are refused by kind", () => {
    expect(() => readPattern(3 as never)).toThrow(TypeError);
    expect(() => readPattern(null as never)).toThrow(/pattern: expected a string or a pattern/);
  });
});

describe("layouts", () => {
  const shapes = fc.constantFrom<readonly number[]>([4, 8], [6, 6], [4, 4, 3], [4, 8, 1, 2]);

  test("each element is in one block of the pattern's size, each place visited once", () => {
    fc.assert(
      fc.property(patterns, shapes, (pattern, shape) => {
        const layout = layOut(pattern, { shape });
        if (!layout.divides) {
          expect(blockCount(layout)).toBe(0);
          return;
        }
        const sizes = new Array<number>(blockCount(layout)).fill(0);
        const places = new Set<number>();
        forEachElement(layout, (index, block) => {
          sizes[block]++;
          places.add(index);
        });
        const { blockHeight, blockWidth, rows, columns } = layout;
        expect(sizes.every((size) => size === blockHeight * blockWidth)).toBe(true);
        expect(places.size).toBe(rows * columns);
      }),
    );
  });

  test("a convolution's columns run over positions first", () => {
    const layout = layOut({ kind: "block", height: 1, width: 1 }, { shape: [1, 2, 3] });
    expect([0, 1, 2, 3, 4, 5].map((column) => columnOffset(layout, column))).toEqual([
      0, 3, 1, 4, 2, 5,
    ]);
  });
});

test("ratios of blocks and of elements", () => {
  const pattern = { kind: "group", prune: 1, of: 4 } as const;
  expect(perBlock(pattern, 0.25)).toBe(1);
  expect(perElement(pattern, 1)).toBe(0.25);
  expect(perBlock({ kind: "block", height: 4, width: 1 }, 0.3)).toBe(0.3);
});
