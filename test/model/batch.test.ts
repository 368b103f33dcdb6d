import { expect, test } from "vitest";
import { selectExamples } from "../../src/model/batch.ts";

test("examples come in the order asked for, each with its own tokens and label", () => {
  const batch = {
    batch: 3,
    positions: 2,
    inputIds: Int32Array.of(10, 11, 20, 21, 30, 31),
    tokenTypeIds: new Int32Array(6),
    attentionMask: Uint8Array.of(1, 1, 1, 0, 1, 1),
    labels: Int32Array.of(1, 2, 3),
  };
  const part = selectExamples(batch, [2, 0, 2]);
  expect([...part.inputIds]).toEqual([30, 31, 10, 11, 30, 31]);
  expect([...part.labels]).toEqual([3, 1, 3]);
  expect(selectExamples(batch, [1]).labels).toEqual(Int32Array.of(2));
  expect([...selectExamples(batch, [1]).attentionMask]).toEqual([1, 0]);
});
