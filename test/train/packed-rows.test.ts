import fc from "fast-check";
import { expect, test } from "vitest";
import type { TokenisedExample } from "../../src/train/examples.ts";
import {
  createTokenPacker,
  packRows,
  selectRows,
  unpackRows,
} from "../../src/train/packed-rows.ts";

const rows: fc.Arbitrary<readonly TokenisedExample[]> = fc.array(
  fc.array(fc.tuple(fc.nat(30_000), fc.nat(1)), { maxLength: 6 }).chain((tokens) =>
    fc.record({
      inputIds: fc.constant(tokens.map(([id]) => id)),
      tokenTypeIds: fc.constant(tokens.map(([, type]) => type)),
      label: fc.double({ noNaN: true }),
    }),
  ),
);

function plain(list: readonly TokenisedExample[]): readonly TokenisedExample[] {
  return list.map(({ inputIds, tokenTypeIds, label }) => ({
    inputIds: Array.from(inputIds),
    tokenTypeIds: Array.from(tokenTypeIds),
    label,
  }));
}

test("packed rows unpack to the same rows, also after they are posted to a worker", () => {
  fc.assert(
    fc.property(rows, (list) => {
      const packed = packRows(list);
      expect(packed).toHaveLength(list.length);
      expect(plain(unpackRows(packed))).toEqual(plain(list));
      expect(plain(unpackRows(structuredClone(packed)))).toEqual(plain(list));
    }),
  );
});

test("selected rows are the rows at the indices, in their order", () => {
  fc.assert(
    fc.property(rows, fc.array(fc.nat()), (list, numbers) => {
      const indices = list.length === 0 ? [] : numbers.map((number) => number % list.length);
      const packed = packRows(list);
      const selected = selectRows(packed, Uint32Array.from(indices), packed.labels);
      const expected = indices.map((index) => list[index] as TokenisedExample);
      expect(plain(unpackRows(selected))).toEqual(plain(expected));
    }),
  );
});

test("a packer grows beyond its first arrays, also for one long row", () => {
  const packer = createTokenPacker();
  const long = new Int32Array(100_000).map((_, i) => i);
  packer.add(long, new Int32Array(long.length));
  for (let row = 0; row < 3000; row++) packer.add([row], [1]);
  const packed = packer.end();
  expect(packed.length).toBe(3001);
  expect(packed.inputIds.subarray(0, 100_000)).toEqual(long);
  expect(packed.inputIds.subarray(100_000)).toEqual(Int32Array.from(Array(3000).keys()));
  expect(packed.ends.at(-1)).toBe(103_000);
  expect([...packed.begins.subarray(0, 3)]).toEqual([0, 100_000, 100_001]);
});

test("selected rows share the tokens of all rows", () => {
  const packed = packRows([3, 4].map((id) => ({ inputIds: [id], tokenTypeIds: [0], label: id })));
  const selected = selectRows(packed, Uint32Array.of(1), packed.labels);
  expect(selected.inputIds).toBe(packed.inputIds);
  expect(plain(unpackRows(selected))).toEqual([{ inputIds: [4], tokenTypeIds: [0], label: 4 }]);
});

test("a token type above a byte is refused", () => {
  expect(() => createTokenPacker().add([5, 5], [0, 256])).toThrow(
    "tokenTypeIds: expected at most 255, got 256",
  );
});

test("labels that are lists come back as lists of the same length", () => {
  const list = [[1, 0.5], Float32Array.of(0, 1)].map((label) => ({
    inputIds: [1],
    tokenTypeIds: [0],
    label,
  }));
  const labels = unpackRows(structuredClone(packRows(list))).map(({ label }) =>
    Array.from(label as ArrayLike<number>),
  );
  expect(labels).toEqual([
    [1, 0.5],
    [0, 1],
  ]);
  const mixed = (label: number | readonly number[]) => () =>
    packRows([...list, { inputIds: [1], tokenTypeIds: [0], label }]);
  expect(mixed(1)).toThrow("rows[2].label: expected a list of 2, got 1");
  expect(mixed([1])).toThrow("rows[2].label: expected a list of 2, got an array of 1");
});
