import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  countBlocks,
  countOwnBlocks,
  countZeros,
  incKeptLimit,
  keptLimit,
  markPrunedInto,
} from "../../src/prune/count.ts";
import { blockCount, forEachElement, layOut } from "../../src/prune/pattern.ts";
import { patterns } from "./models.ts";

const shapes = fc.constantFrom<readonly number[]>([4, 8], [8, 4], [6, 6], [4, 4, 3], [4, 8, 1, 2]);

describe("a block that counts as pruned", () => {
  test("keeps nothing; an N:M group keeps M - N, by INC's rule N", () => {
    expect(keptLimit({ kind: "block", height: 4, width: 1 })).toBe(0);
    expect(incKeptLimit({ kind: "block", height: 4, width: 1 })).toBe(0);
    expect(keptLimit({ kind: "group", prune: 1, of: 4 })).toBe(3);
    expect(incKeptLimit({ kind: "group", prune: 1, of: 4 })).toBe(1);
  });

  test("is found by counting its elements", () => {
    fc.assert(
      fc.property(
        patterns,
        shapes,
        fc.array(fc.constantFrom(0, 1), { minLength: 64, maxLength: 64 }),
        fc.nat(3),
        fc.boolean(),
        (pattern, shape, bits, limit, isShifted) => {
          const layout = layOut(pattern, { shape });
          // Masks that do not start at a multiple of four bytes are counted by another loop.
          const start = isShifted ? 1 : 0;
          const elements = layout.rows * layout.columns;
          const mask = new Uint8Array(start + elements).subarray(start);
          mask.set(bits.slice(0, elements));
          if (!layout.divides) {
            expect(countBlocks(layout, mask, limit)).toEqual({ pruned: 0, total: 0 });
            return;
          }
          const kept = new Array<number>(blockCount(layout)).fill(0);
          forEachElement(layout, (index, block) => {
            kept[block] += mask[index];
          });
          const flags = new Uint8Array(kept.length);
          const pruned = kept.filter((count) => count <= limit).length;
          expect(markPrunedInto(layout, mask, limit, flags)).toBe(pruned);
          expect([...flags]).toEqual(kept.map((count) => (count <= limit ? 1 : 0)));
          expect(countBlocks(layout, mask, limit)).toEqual({ pruned, total: kept.length });
        },
      ),
    );
  });

  test("is found at a glance in masks of whole blocks", () => {
    fc.assert(
      fc.property(
        patterns,
        shapes,
        fc.array(fc.constantFrom(0, 1), { minLength: 64, maxLength: 64 }),
        (pattern, shape, bits) => {
          const layout = layOut(pattern, { shape });
          fc.pre(layout.divides && pattern.kind === "block");
          const mask = new Uint8Array(layout.rows * layout.columns);
          forEachElement(layout, (index, block) => {
            mask[index] = bits[block % 64];
          });
          expect(countOwnBlocks(pattern, layout, mask, 0)).toEqual(countBlocks(layout, mask, 0));
        },
      ),
    );
  });
});

test("zeros of a mask", () => {
  expect(countZeros(Uint8Array.of(0, 1, 0, 1, 1))).toBe(2);
  expect(countZeros(new Uint8Array(0))).toBe(0);
});

test("zeros are counted in arrays of any length", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, -0, 1, Number.NaN)), (values) => {
      const zeros = values.filter((value) => value === 0).length;
      expect(countZeros(Float32Array.from(values))).toBe(zeros);
    }),
  );
});
