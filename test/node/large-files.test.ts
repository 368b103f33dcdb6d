/** Tensors of 2 GiB and more, which one call cannot read or write: calls are recorded in place of moving bytes. */
import { beforeEach, expect, test, vi } from "vitest";
import { readInto, writeAll } from "../../src/node/files.ts";

/** Lengths and positions of calls. The system takes less than 2^31 bytes at once. */
const calls = vi.hoisted(() => ({
  made: [] as { offset: number; length: number; position: number | null }[],
}));

vi.mock("node:fs", async (importOriginal) => {
  const fs = await importOriginal<typeof import("node:fs")>();
  const record = (
    _file: number,
    _bytes: unknown,
    offset: number,
    length: number,
    position: number | null,
  ): number => {
    if (length >= 2 ** 31) throw new RangeError("ERR_OUT_OF_RANGE");
    calls.made.push({ offset, length, position });
    return length;
  };
  return { ...fs, readSync: record, writeSync: record };
});

beforeEach(() => {
  calls.made = [];
});

/** As long as a large tensor, without its memory. */
const large = { length: 2 ** 31 + 5 } as unknown as Uint8Array;

test("a large tensor is written in parts, at the current or a given position", () => {
  writeAll(0, large);
  expect(calls.made).toEqual([
    { offset: 0, length: 2 ** 30, position: null },
    { offset: 2 ** 30, length: 2 ** 30, position: null },
    { offset: 2 ** 31, length: 5, position: null },
  ]);
  calls.made = [];
  writeAll(0, large, 100);
  expect(calls.made.map(({ position }) => position)).toEqual([100, 2 ** 30 + 100, 2 ** 31 + 100]);
});

test("a large tensor is read in parts", () => {
  expect(readInto(0, large, 7)).toBe(2 ** 31 + 5);
  expect(calls.made).toEqual([
    { offset: 0, length: 2 ** 30, position: 7 },
    { offset: 2 ** 30, length: 2 ** 30, position: 2 ** 30 + 7 },
    { offset: 2 ** 31, length: 5, position: 2 ** 31 + 7 },
  ]);
});
