import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketedBatches, sequentialBatches, shuffledBatches } from "../../src/train/batches.ts";
import { padExamples } from "../../src/train/examples.ts";

const sizes = fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 40 }));

test("the batches of an epoch hold every example once, and only the last is short", () => {
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(20), ([count, batchSize], seed, epoch) => {
      const batches = shuffledBatches(count, batchSize, seed, epoch);
      expect(batches.length).toBe(Math.ceil(count / batchSize));
      const order = batches.flatMap((batch) => [...batch]);
      expect([...order].sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
      for (const batch of batches.slice(0, -1)) expect(batch.length).toBe(batchSize);
    }),
  );
});

test("the order depends on seed and epoch alone", () => {
  const order = (seed: number, epoch: number) =>
    shuffledBatches(100, 100, seed, epoch).map((batch) => [...batch])[0];
  expect(order(5, 2)).toEqual(order(5, 2));
  expect(order(5, 2)).not.toEqual(order(5, 3));
  expect(order(5, 2)).not.toEqual(order(6, 2));
});

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 300 });

test("bucketed batches hold every example once, and depend on lengths, seed and epoch alone", () => {
  fc.assert(
    fc.property(
      lengths,
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      fc.nat(20),
      (list, batchSize, seed, epoch) => {
        const batches = bucketedBatches(list, batchSize, seed, epoch);
        expect(batches.length).toBe(Math.ceil(list.length / batchSize));
        const order = batches.flatMap((batch) => [...batch]);
        expect(order.sort((a, b) => a - b)).toEqual([...list.keys()]);
        expect(batches.filter(({ length }) => length !== batchSize).length).toBeLessThanOrEqual(1);
        expect(bucketedBatches(list, batchSize, seed, epoch)).toEqual(batches);
      },
    ),
  );
});

test("bucketed batches of one pool are slices of the order by length, themselves in no order", () => {
  const list = shuffledBatches(160, 160, 3, 0).flatMap((batch) => [...batch]);
  const batches = bucketedBatches(list, 4, 5, 1);
  const slices = batches.map((batch) => Array.from(batch, (index) => list[index]));
  for (const slice of slices) expect(Math.max(...slice) - Math.min(...slice)).toBe(3);
  const firsts = slices.map((slice) => Math.min(...slice));
  expect(firsts).not.toEqual(firsts.slice().sort((a, b) => a - b));
  expect(bucketedBatches(list, 4, 5, 2)).not.toEqual(batches);
  expect(bucketedBatches(list, 4, 6, 1)).not.toEqual(batches);
});

test("sequential batches keep the order", () => {
  expect(sequentialBatches(5, 2).map((batch) => [...batch])).toEqual([[0, 1], [2, 3], [4]]);
  expect(sequentialBatches(0, 2)).toEqual([]);
});

test("sizes that are none are refused", () => {
  expect(() => shuffledBatches(3, 0, 1, 0)).toThrow(/batchSize: expected/);
  expect(() => shuffledBatches(3.5, 1, 1, 0)).toThrow(/count: expected/);
  expect(() => shuffledBatches(3, 1, -1, 0)).toThrow(/seed: expected/);
});

test("padding is dynamic: to the longest of the batch", () => {
  const examples = [
    { inputIds: [2, 7, 3], tokenTypeIds: [0, 0, 0], label: 1 },
    { inputIds: [2, 3], tokenTypeIds: [0, 1], label: 0 },
  ];
  const batch = padExamples(examples, 9);
  expect(batch.batch).toBe(2);
  expect(batch.positions).toBe(3);
  expect([...batch.inputIds]).toEqual([2, 7, 3, 2, 3, 9]);
  expect([...batch.tokenTypeIds]).toEqual([0, 0, 0, 0, 1, 0]);
  expect([...batch.attentionMask]).toEqual([1, 1, 1, 1, 1, 0]);
  expect(batch.labels).toEqual(Int32Array.of(1, 0));
  expect(padExamples(examples, 0, "regression").labels).toEqual(Float32Array.of(1, 0));
});
