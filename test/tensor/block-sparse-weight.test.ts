import { expect, test } from "vitest";
import { createBackend } from "../../src/kernels/backend.ts";
import {
  createBlockSparseWeight,
  keptBlocks,
  refreshBlockSparseWeight,
  releaseBlockSparseWeight,
} from "../../src/tensor/block-sparse-weight.ts";
import { createTensor } from "../../src/tensor/tensor.ts";

const backend = createBackend({ variant: "scalar" });

test("a block is kept where an element of it is kept by all masks", () => {
  const mask = (...kept: number[]) => Uint8Array.from({ length: 24 }, (_, i) => +kept.includes(i));
  const whole = new Uint8Array(24).fill(1);
  const { starts, columns } = keptBlocks([8, 3], [mask(0, 11, 12, 23)]);
  expect([...starts]).toEqual([0, 2, 4]);
  expect([...columns]).toEqual([0, 2, 0, 2]);
  expect(keptBlocks([8, 3], [whole, mask(11)]).columns).toEqual(Int32Array.of(2));
  expect(keptBlocks([8, 3], [mask(0), mask(3)]).columns).toEqual(new Int32Array(0));
  expect(keptBlocks([8, 3], [whole]).columns).toEqual(Int32Array.of(0, 1, 2, 0, 1, 2));
});

test("shapes that blocks do not divide, and masks of another length, are refused", () => {
  expect(() => keptBlocks([6, 3], [new Uint8Array(18)])).toThrow(/^shape: expected .* \[6, 3\]/);
  expect(() => keptBlocks([4], [new Uint8Array(4)])).toThrow(/^shape: expected/);
  expect(() => keptBlocks([4, 2], [new Uint8Array(8), new Uint8Array(9)])).toThrow(
    /^masks\[1\].length: expected/,
  );
});

test("values are those of the dense weight at the latest refresh; memory is given back", () => {
  const before = backend.memory.usage().used;
  const dense = createTensor(backend, [4, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const blocks = keptBlocks([4, 2], [Uint8Array.of(0, 1, 0, 1, 0, 1, 0, 1)]);
  const weight = createBlockSparseWeight(backend, blocks, dense);
  expect([...weight.values.data]).toEqual([2, 4, 6, 8]);
  dense.data.fill(9);
  refreshBlockSparseWeight(backend, weight, dense);
  expect([...weight.values.data]).toEqual([9, 9, 9, 9]);
  const other = createTensor(backend, [2, 2]);
  const used = backend.memory.usage().used;
  expect(() => createBlockSparseWeight(backend, blocks, other)).toThrow(/^dense: expected shape/);
  expect(backend.memory.usage().used).toBe(used);
  for (const tensor of [dense, other]) tensor.release();
  releaseBlockSparseWeight(weight);
  expect(backend.memory.usage().used).toBe(before);
});
