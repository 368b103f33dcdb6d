import { expect, test } from "vitest";
import { inLanes } from "../../src/core/lanes.ts";

const later = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

test("results have the order of the items, and no more than the given number runs at once", async () => {
  let [running, most] = [0, 0];
  const results = await inLanes([3, 1, 2, 0], 2, async (item, index) => {
    most = Math.max(most, ++running);
    await later(item);
    running--;
    return [item, index];
  });
  expect(results).toEqual([
    [3, 0],
    [1, 1],
    [2, 2],
    [0, 3],
  ]);
  expect(most).toBe(2);
  expect(await inLanes([], 2, later)).toEqual([]);
});

test("after a failure nothing starts, and it is thrown once the rest has ended", async () => {
  const ended: number[] = [];
  const work = async (item: number): Promise<void> => {
    if (item === 0) throw new RangeError("the first fails");
    await later(5);
    ended.push(item);
  };
  await expect(inLanes([0, 1, 2, 3], 2, work)).rejects.toThrow("the first fails");
  expect(ended).toEqual([1]);
});
